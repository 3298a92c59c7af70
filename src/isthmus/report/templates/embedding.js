"use strict";
// Codes in the plane: a canvas to zoom, move and ask. Words reach the page as text, never as HTML.
(() => {
const COLOURS = ["#2080c4", "#e69f00", "#009e73", "#cc79a7", "#56b4e9",
  "#d55e00", "#999933", "#8f63c6", "#c43c5e", "#8a8f98"];
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c",
  "#28ae80", "#5ec962", "#addc30", "#fde725"].map((c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
const UNKNOWN = "#8a8f98";
const MARKS = [  // corners in units of the mark's radius; none is a circle
  null, corners(4, Math.PI / 4), corners(3, -Math.PI / 2), corners(4, 0), corners(3, Math.PI / 2),
  star(4, 0.35), star(5, 0.45), corners(6, 0), star(3, 0.3), corners(5, -Math.PI / 2)];

function corners(n, turn) {
  return Array.from({ length: n }, (_, i) => [1.2 * Math.cos(turn + 2 * Math.PI * i / n),
    1.2 * Math.sin(turn + 2 * Math.PI * i / n)]);
}

function star(n, inner) {
  return corners(2 * n, -Math.PI / 2).map(([x, y], i) => (i % 2 ? [inner * x, inner * y] : [1.15 * x, 1.15 * y]));
}

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
}

function floats(text) {
  const view = new DataView(bytes(text));
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

function wholes(text) {
  const view = new DataView(bytes(text));
  return Uint16Array.from({ length: view.byteLength / 2 }, (_, i) => view.getUint16(2 * i, true));
}

function written(value) {
  if (!Number.isFinite(value)) return "missing";
  return String(Number(value.toPrecision(4)));
}

// What a point has in a column: a word, or its number.
function shown(column, i) {
  if (column.kinds) return column.kinds[column.numbers[i]];
  return column.texts ? column.texts[i] : written(column.values[i]);
}

function element(name, text, parent) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

// Where a scale starts and ends: without the outermost hundredths, which would leave it one colour.
function range(values) {
  const known = Array.from(values).filter(Number.isFinite).sort((a, b) => a - b);
  if (!known.length) return [0, 1];
  const cut = Math.floor(known.length / 100);
  return [known[cut], known[known.length - 1 - cut]];
}

function viridis(share, dark) {
  const at = (VIRIDIS.length - 1) * (dark ? 0.25 + 0.75 * share : 0.93 * share);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const mixed = VIRIDIS[i].map((v, k) => Math.round(v + (at - i) * (VIRIDIS[i + 1][k] - v)));
  return `rgb(${mixed.join(",")})`;
}

function mark(context, kind, x, y, radius) {
  context.beginPath();
  const shape = MARKS[kind];
  if (!shape) context.arc(x, y, radius, 0, 2 * Math.PI);
  else shape.forEach(([u, v], i) => context[i ? "lineTo" : "moveTo"](x + radius * u, y + radius * v));
  context.closePath();
}

class Plane {
  constructor(figure) {
    this.data = JSON.parse(figure.querySelector("script").textContent);
    this.figure = figure;
    this.stage = figure.querySelector(".stage");
    this.canvas = figure.querySelector("canvas.points");
    this.tip = figure.querySelector(".tip");
    this.legend = figure.querySelector(".legend");
    this.select = figure.querySelector("select");
    const xy = wholes(this.data.xy);
    this.x = Float32Array.from({ length: this.data.n }, (_, i) => xy[2 * i] / 65535 - 0.5);
    this.y = Float32Array.from({ length: this.data.n }, (_, i) => 0.5 - xy[2 * i + 1] / 65535);
    this.columns = this.data.values.map((v) => v.kinds
      ? { ...v, numbers: wholes(v.data), values: wholes(v.data) } : { ...v, values: floats(v.data) });
    const label = this.data.label;
    if (label && !label.kinds) this.columns.unshift({ name: label.name, values: floats(label.data) });
    this.label = label && label.kinds ? { ...label, numbers: wholes(label.data) } : null;
    this.hidden = new Set();
    this.chosen = -1;
    this.pointers = new Map();
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    figure.classList.add("on");
    if (this.data.sprite) {
      this.sprite = new Image();
      this.sprite.src = this.data.sprite.source;
    }
    this.fill();
    this.listen();
    this.all();
  }

  fill() {
    if (this.label) this.select.add(new Option(this.label.name, "kinds"));
    this.columns.forEach((c, i) => this.select.add(new Option(c.name, String(i))));
    this.colour();
  }

  // Choose what the colours mean, and say so in the legend.
  colour() {
    const which = this.select.value;
    this.legend.replaceChildren();
    const chosen = which === "kinds" ? this.label : this.columns[Number(which)];
    if (this.kinds !== chosen) this.hidden.clear();
    this.kinds = chosen.kinds ? chosen : null;
    this.column = chosen.kinds ? null : chosen;
    if (this.column) {
      this.column.range = this.column.range || range(this.column.values);
      this.scale();
    } else {
      const shown = this.kinds.kinds.slice(0, COLOURS.length - (this.kinds.kinds.length > COLOURS.length));
      shown.forEach((name, i) => this.entry(name, i));
      if (shown.length < this.kinds.kinds.length) this.entry("all others", COLOURS.length - 1);
    }
  }

  entry(name, kind) {
    const button = element("button", undefined, element("li", undefined, this.legend));
    button.type = "button";
    button.setAttribute("aria-pressed", String(!this.hidden.has(kind)));
    const sample = element("canvas", undefined, button);
    sample.width = sample.height = 16;
    const context = sample.getContext("2d");
    context.fillStyle = COLOURS[kind];
    mark(context, kind, 8, 8, 5.5);
    context.fill();
    const count = this.kinds.numbers.reduce((n, k) => n + (Math.min(k, COLOURS.length - 1) === kind), 0);
    element("span", `${name} (${count})`, button);
    button.onclick = () => {
      if (!this.hidden.delete(kind)) this.hidden.add(kind);
      button.setAttribute("aria-pressed", String(!this.hidden.has(kind)));
      this.showRow(-1);
    };
  }

  scale() {
    const item = element("li", undefined, this.legend), [low, high] = this.column.range;
    const end = (value) => (this.column.texts ? shown(this.column, this.column.values.indexOf(value)) : written(value));
    element("span", `\u2264 ${end(low)}`, item);
    const bar = element("canvas", undefined, item);
    bar.width = 160;
    bar.height = 14;
    const context = bar.getContext("2d");
    for (let i = 0; i < 160; i += 1) {
      context.fillStyle = viridis(i / 159, this.dark.matches);
      context.fillRect(i, 0, 1, 14);
    }
    element("span", `\u2265 ${end(high)}`, item);
  }

  kind(i) {
    return this.column ? 0 : Math.min(this.kinds.numbers[i], COLOURS.length - 1);
  }

  ink(i) {
    if (!this.column) return COLOURS[this.kind(i)];
    const value = this.column.values[i], [low, high] = this.column.range;
    if (!Number.isFinite(value)) return UNKNOWN;
    const share = high > low ? (value - low) / (high - low) : 0.5;
    return viridis(Math.min(Math.max(share, 0), 1), this.dark.matches);
  }

  seen(i) {
    return this.column || !this.hidden.has(this.kind(i));
  }

  all() {
    this.zoom = 1;
    this.centre = [0, 0];
    this.draw();
  }

  size() {
    const { width, height } = this.stage.getBoundingClientRect();
    return { width, height, unit: 0.92 * Math.min(width, height) * this.zoom };
  }

  place(i, { width, height, unit }) {
    return [width / 2 + unit * (this.x[i] - this.centre[0]), height / 2 + unit * (this.y[i] - this.centre[1])];
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  paint() {
    const size = this.size(), dense = devicePixelRatio || 1;
    this.canvas.width = Math.round(size.width * dense);
    this.canvas.height = Math.round(size.height * dense);
    this.stage.classList.toggle("zoomed", this.zoom > 1);
    const context = this.canvas.getContext("2d"), style = getComputedStyle(document.body);
    context.scale(dense, dense);
    context.lineWidth = 0.7;
    context.strokeStyle = style.backgroundColor;
    const radius = Math.min(3 + 0.7 * Math.log2(this.zoom) + (this.data.n < 600 ? 1 : 0), 7);
    for (let i = 0; i < this.data.n; i += 1) {
      const [x, y] = this.place(i, size);
      if (!this.seen(i) || x < -9 || y < -9 || x > size.width + 9 || y > size.height + 9) continue;
      context.fillStyle = this.ink(i);
      mark(context, this.kind(i), x, y, radius);
      context.fill();
      context.stroke();
    }
    if (this.chosen >= 0) {
      context.lineWidth = 2;
      context.strokeStyle = style.color;
      mark(context, 0, ...this.place(this.chosen, size), radius + 4);
      context.stroke();
    }
  }

  nearest(x, y, reach) {
    const size = this.size();
    let best = -1, least = reach * reach;
    for (let i = 0; i < this.data.n; i += 1) {
      const [u, v] = this.place(i, size), far = (u - x) ** 2 + (v - y) ** 2;
      if (far < least && this.seen(i)) { best = i; least = far; }
    }
    return best;
  }

  // Show a row: what it is, its thumbnail, and its values; of many columns the most unusual.
  showRow(i) {
    this.chosen = i;
    this.tip.hidden = i < 0;
    this.draw();
    if (i < 0) return;
    this.tip.replaceChildren();
    if (this.sprite) this.thumbnail(i);
    const { ids, rows } = this.data;
    element("b", ids ? ids[i] : `row ${rows[i]}`, this.tip);
    const list = element("dl", undefined, this.tip);
    const line = (name, value) => { element("dt", name, list); element("dd", value, list); };
    if (ids) line("row", String(rows[i]));
    if (this.label) line(this.label.name, shown(this.label, i));
    this.shownColumns(i).forEach((c) => line(c.name, shown(c, i)));
    this.settle(i);
  }

  shownColumns(i) {
    const first = this.columns.length - this.data.values.length + 1, rest = this.columns.slice(first);
    for (const c of rest.filter((r) => r.mean === undefined)) {
      const known = c.values.filter(Number.isFinite), n = known.length || 1;
      c.mean = known.reduce((a, b) => a + b, 0) / n;
      c.spread = Math.sqrt(known.reduce((a, b) => a + (b - c.mean) ** 2, 0) / n) || 1;
    }
    const odd = (c) => -Math.abs(c.values[i] - c.mean) / c.spread;
    const few = rest.length <= 13 ? rest : [...rest].sort((a, b) => odd(a) - odd(b)).slice(0, 10);
    return [...this.columns.slice(0, first), ...few];
  }

  thumbnail(i) {
    const { w, h, across } = this.data.sprite, times = Math.max(1, Math.round(84 / Math.max(w, h)));
    const canvas = element("canvas", undefined, this.tip);
    canvas.width = w * times;
    canvas.height = h * times;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(this.sprite, w * (i % across), h * Math.floor(i / across), w, h, 0, 0, w * times, h * times);
  }

  settle(i) {
    const size = this.size(), [x, y] = this.place(i, size), tip = this.tip.getBoundingClientRect();
    const left = x + 14 + tip.width > size.width ? x - 14 - tip.width : x + 14;
    this.tip.style.left = `${Math.max(2, Math.min(left, size.width - tip.width - 2))}px`;
    this.tip.style.top = `${Math.max(2, Math.min(y + 14, size.height - tip.height - 2))}px`;
  }

  // Zoom about a place of the stage, which stays where it is.
  scaled(factor, x, y) {
    const before = this.size(), zoom = Math.min(Math.max(this.zoom * factor, 1), 200);
    const u = (x - before.width / 2) / before.unit, v = (y - before.height / 2) / before.unit;
    const share = 1 - this.zoom / zoom;
    this.zoom = zoom;
    this.moved(u * share, v * share);
  }

  moved(u, v) {
    this.centre = [this.centre[0] + u, this.centre[1] + v].map((c) => Math.min(Math.max(c, -0.6), 0.6));
    if (this.chosen >= 0) this.settle(this.chosen);
    this.draw();
  }

  where(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  drag(event) {
    const [x, y] = this.where(event), last = this.pointers.get(event.pointerId), { unit } = this.size();
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
    this.pointers.set(event.pointerId, [x, y]);
    if (others.length) {
      const apart = (p) => Math.hypot(p[0] - others[0][0], p[1] - others[0][1]) || 1;
      this.scaled(apart([x, y]) / apart(last), (x + others[0][0]) / 2, (y + others[0][1]) / 2);
    }
    const half = others.length ? 2 : 1;
    this.moved((last[0] - x) / unit / half, (last[1] - y) / unit / half);
  }

  listen() {
    const { canvas } = this, gone = (event) => this.pointers.delete(event.pointerId);
    this.select.onchange = () => { this.colour(); this.showRow(-1); };
    for (const button of this.figure.querySelectorAll("[data-zoom]")) {
      const { width, height } = this.size(), factor = Number(button.dataset.zoom);
      button.onclick = () => (factor ? this.scaled(factor, width / 2, height / 2) : this.all());
    }
    canvas.onpointerdown = (event) => {
      this.pointers.set(event.pointerId, this.where(event));
      canvas.setPointerCapture(event.pointerId);
      this.showRow(this.nearest(...this.where(event), event.pointerType === "mouse" ? 12 : 24));
    };
    canvas.onpointermove = (event) => {
      if (this.pointers.has(event.pointerId)) this.drag(event);
      else if (event.pointerType === "mouse") this.showRow(this.nearest(...this.where(event), 12));
    };
    canvas.onpointerup = canvas.onpointercancel = gone;
    canvas.onpointerleave = (event) => { if (event.pointerType === "mouse") this.showRow(-1); };
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return;  // else the page scrolls
      event.preventDefault();
      this.scaled(Math.exp(-event.deltaY / 400), ...this.where(event));
    }, { passive: false });
    canvas.onkeydown = (event) => this.key(event);
    this.dark.addEventListener("change", () => { this.colour(); this.draw(); });
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  key(event) {
    const { width, height } = this.size(), step = 0.1 / this.zoom, middle = [width / 2, height / 2];
    const does = {
      ArrowLeft: () => this.moved(-step, 0), ArrowRight: () => this.moved(step, 0),
      ArrowUp: () => this.moved(0, -step), ArrowDown: () => this.moved(0, step),
      "+": () => this.scaled(1.5, ...middle), "-": () => this.scaled(1 / 1.5, ...middle),
      0: () => this.all(), Escape: () => this.showRow(-1),
      Enter: () => this.showRow(this.nearest(...middle, Infinity)),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }
}

for (const figure of document.querySelectorAll("figure.plane")) figure.plane = new Plane(figure);
})();
