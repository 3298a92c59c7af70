"""A server for one exported model, which speaks the Open Inference Protocol, version 2, over HTTP.

It needs NumPy and ONNX Runtime, and neither isthmus nor JAX::

    python serve.py outliers.onnx --port 8080

A request beyond `--max-bytes` is refused before it is read, and more than `--at-once` together are
told to come again. SIGTERM and SIGINT end the server when the answers under way are written.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

Json = dict[str, Any]
SERVER = {"name": "isthmus-example", "version": "1", "extensions": []}
VERSION = "1"  # of the model: a server has one
PATIENCE = 10  # seconds for a client to send, and for answers under way at the end


class Kind(NamedTuple):
    """A type of ONNX: its name in the protocol, NumPy's type, and what JSON has for it, up to what."""

    name: str
    dtype: type
    cells: set[type]
    most: float = 1


NUMBERS = {float, int}
KINDS = {
    "tensor(float)": Kind("FP32", np.float32, NUMBERS, float(np.finfo(np.float32).max)),
    "tensor(double)": Kind("FP64", np.float64, NUMBERS, sys.float_info.max),
    "tensor(int64)": Kind("INT64", np.int64, {int}, 2**63 - 1),
    "tensor(bool)": Kind("BOOL", np.bool_, {bool}),
    "tensor(string)": Kind("BYTES", np.object_, {str}),
}


class Refused(Exception):
    """A request that gets an error: its status and one sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def bad(sentence: str) -> Refused:
    """Return the error for a request that no model could answer."""
    return Refused(HTTPStatus.BAD_REQUEST, sentence)


class Model:
    """An ONNX file as the protocol describes and asks it."""

    def __init__(self, path: Path, name: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # each request has a thread of its own
        options.log_severity_level = 3  # it remarks on the threshold, which may be given
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self.name = name
        self.inputs = {tensor.name: tensor for tensor in self.session.get_inputs()}
        self.optional = {t.name: t for t in self.session.get_overridable_initializers()}
        self.outputs = {tensor.name: tensor for tensor in self.session.get_outputs()}

    def metadata(self) -> Json:
        """Return what the model takes and gives."""
        return {
            "name": self.name,
            "versions": [VERSION],
            "platform": "onnxruntime_onnx",
            "inputs": [described(tensor) for tensor in self.inputs.values()],
            "outputs": [described(tensor) for tensor in self.outputs.values()],
        }

    def infer(self, request: Any) -> Json:
        """Return the answer to a request."""
        feeds, names = self.feeds(request), self.wanted(request)
        answer = {"model_name": self.name, "model_version": VERSION, **identifier(request)}
        results = zip(names, self.session.run(names, feeds), strict=True)
        return {**answer, "outputs": [self.written(name, array) for name, array in results]}

    def feeds(self, request: Any) -> dict[str, np.ndarray]:
        """Return the arrays of a request by the inputs' names."""
        known, found = self.inputs | self.optional, {}
        for given in listed(request, "inputs"):
            name = known_name(given, known, "input")
            if name in found:
                raise bad(f"The input {name!r} is given twice.")
            found[name] = array_of(given, known[name])
        if missing := self.inputs.keys() - found.keys():
            raise bad(f"The input {min(missing)!r} is missing.")
        sizes = {len(array) for name, array in found.items() if name in self.inputs}
        if len(sizes) > 1:
            raise bad(f"Inputs have one number of rows; got {sorted(sizes)}.")
        return found

    def wanted(self, request: Any) -> list[str]:
        """Return the names of the outputs that a request asks for, by default all."""
        asked = listed(request, "outputs", [])
        return [known_name(one, self.outputs, "output") for one in asked] or list(self.outputs)

    def written(self, name: str, array: np.ndarray) -> Json:
        """Return an output as the protocol writes it."""
        kind = KINDS[self.outputs[name].type]
        data = array.ravel().tolist()
        if array.dtype.kind == "f":
            data = [value if math.isfinite(value) else None for value in data]
        return {"name": name, "datatype": kind.name, "shape": list(array.shape), "data": data}


def described(tensor: Any) -> Json:
    """Return an input or an output as metadata; -1 is any number of rows."""
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    return {"name": tensor.name, "datatype": KINDS[tensor.type].name, "shape": shape}


def listed(request: Any, name: str, default: Any = None) -> list[Json]:
    """Return a list of objects of a request."""
    found = request.get(name, default) if isinstance(request, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise bad(f'A request is a JSON object with a list "{name}" of objects.')
    return found


def known_name(given: Json, known: Json, what: str) -> str:
    """Return the name of an input or an output, if there is one of that name."""
    name = given.get("name")
    if not isinstance(name, str) or name not in known:
        raise bad(f"There is no {what} {name!r}; known: {', '.join(known)}.")
    return name


def identifier(request: Json) -> Json:
    """Return the request's id, if it has one, as the answer repeats it."""
    if not isinstance(request.get("id", ""), str):
        raise bad(f'The "id" of a request is a string; got {str(request["id"])[:40]}.')
    return {"id": request["id"]} if "id" in request else {}


def array_of(given: Json, tensor: Any) -> np.ndarray:
    """Return the array of an input, if it is what the model takes."""
    kind, name = KINDS[tensor.type], tensor.name
    shape: Any = given.get("shape")
    if given.get("datatype") != kind.name:
        raise bad(f"The input {name!r} has datatype {kind.name}; got {given.get('datatype')!r}.")
    if not fits(shape, tensor.shape):
        raise bad(f"The input {name!r} has shape {described(tensor)['shape']}; got {shape!r}.")
    if not isinstance(given.get("data"), list):
        raise bad(f'The input {name!r} has no list "data".')
    cells = np.array(given["data"], dtype=object).ravel().tolist()
    if len(cells) != math.prod(shape):
        raise bad(
            f"The input {name!r} has {len(cells)} values; its shape {shape} says another number."
        )
    return filled(cells, kind, tensor, shape)


def filled(cells: list[Any], kind: Kind, tensor: Any, shape: Any) -> np.ndarray:
    """Return cells as an array of a shape; the first that a model cannot take is named."""
    found: np.ndarray = np.empty(len(cells), kind.dtype)
    gaps = kind.dtype is np.float64 and is_column(tensor)
    for i, cell in enumerate(cells):
        try:
            found[i] = math.nan if gaps and cell is None else value_of(cell, kind)
        except ValueError as error:
            place = [int(j) for j in np.unravel_index(i, shape)]
            raise bad(f"The input {tensor.name!r} {error} at {place}.") from error
    return found.reshape(shape)


def is_column(tensor: Any) -> bool:
    """Return whether an input is a column of a table of mixed types, whose cells may be missing."""
    return len(tensor.shape) == 1 and not isinstance(tensor.shape[0], int)


def value_of(cell: Any, kind: Kind) -> Any:
    """Return a cell, or a ValueError with what is wrong with it."""
    if type(cell) not in kind.cells:
        shown = "null, a missing cell," if cell is None else repr(str(cell)[:40])
        raise ValueError(f"takes {kind.name}; got {shown}")
    if isinstance(cell, str):
        cell.encode()  # half of a surrogate pair is a ValueError, too
    elif not -kind.most - 1 <= cell <= kind.most:  # whole numbers have one more below 0
        raise ValueError(f"has a number beyond {kind.name}")
    return cell


def fits(shape: Any, expected: list[Any]) -> bool:
    """Return whether a shape is one that a model takes: sizes without a number may be any."""
    if not isinstance(shape, list) or len(shape) != len(expected):
        return False
    if not all(type(size) is int and 0 < size < 2**31 for size in shape):
        return False
    return all(size == e for size, e in zip(shape, expected, strict=True) if isinstance(e, int))


def parsed(body: bytes) -> Any:
    """Return JSON, without the NaN and Infinity that JSON has not."""

    def no_number(word: str) -> None:
        raise bad(f"{word} is no JSON: write null for a missing cell of a table of mixed types.")

    try:
        return json.loads(body, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise bad(f"The body is no JSON: {type(error).__name__}.") from error


class Server(ThreadingHTTPServer):
    """A model, and how many requests it answers at once."""

    daemon_threads = True  # clients that keep a connection do not keep the server

    def __init__(
        self, address: tuple[str, int], model: Model, max_bytes: int, at_once: int
    ) -> None:
        super().__init__(address, Handler)
        self.model, self.max_bytes, self.at_once = model, max_bytes, at_once
        self.places = threading.BoundedSemaphore(at_once)
        self.ending = False

    def drain(self) -> None:
        """Take no more requests, and wait for the answers under way."""
        self.ending = True
        self.shutdown()
        for _ in range(self.at_once):
            self.places.acquire(timeout=PATIENCE)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """A connection of a client."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Answer what asks about the server and the model."""
        self.answer(self.facts)

    def do_POST(self) -> None:
        """Answer an inference, unless too many are under way."""
        if not self.server.places.acquire(blocking=False):
            self.close_connection = True
            self.write(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "Too many requests at once."})
            return
        try:
            self.answer(self.inference)
        finally:
            self.server.places.release()

    def answer(self, made: Any) -> None:
        """Write what a function returns, or the one sentence of its error."""
        try:
            self.write(HTTPStatus.OK, made())
        except Refused as error:
            self.write(error.status, {"error": str(error)})
        except TimeoutError:
            self.close_connection = True
        except Exception as error:  # the server lives on
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            self.write(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "The model failed."})

    def facts(self) -> Json:
        """Return what a GET asks for."""
        model = self.server.model
        home = f"/v2/models/{model.name}"
        known: dict[str, Json] = {
            "/v2": SERVER,
            "/v2/health/live": {"live": True},
            "/v2/health/ready": {"ready": True},
            **dict.fromkeys((home, f"{home}/versions/{VERSION}"), model.metadata()),
            f"{home}/ready": {"name": model.name, "ready": True},
        }
        path = self.path.partition("?")[0].rstrip("/")
        if path not in known:
            raise Refused(HTTPStatus.NOT_FOUND, f"Nothing is here; the model is at {home}.")
        if path.endswith("/ready") and self.server.ending:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The server is ending.")
        return known[path]

    def inference(self) -> Json:
        """Return the model's answer to a POST."""
        body, home = self.body(), f"/v2/models/{self.server.model.name}"
        if self.path not in (f"{home}/infer", f"{home}/versions/{VERSION}/infer"):
            raise Refused(HTTPStatus.NOT_FOUND, f"Nothing is here; ask {home}/infer.")
        return self.server.model.infer(parsed(body))

    def body(self) -> bytes:
        """Return what was sent, if it says how long it is, and that is not too long."""
        length, most = self.headers.get("Content-Length", ""), self.server.max_bytes
        if not length.isdecimal():
            self.close_connection = True
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "A request says its Content-Length.")
        if len(length) > 12 or int(length) > most:
            self.close_connection = True  # what follows is not read
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"A request has {most:,} bytes at most: send fewer rows at a time.",
            )
        return self.rfile.read(int(length))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Write JSON where the base class has HTML: for other methods, and for what is no HTTP."""
        status, sentence = HTTPStatus(code), message or HTTPStatus(code).phrase
        if status is HTTPStatus.NOT_IMPLEMENTED:
            with suppress(Refused, TimeoutError):
                self.body()  # a client that still sends would not read the answer
            status = HTTPStatus.METHOD_NOT_ALLOWED
            sentence = f"There is no method {self.command!r} here: take GET or POST."
        self.close_connection, self.request_version = True, self.protocol_version
        self.write(status, {"error": sentence})

    def write(self, status: HTTPStatus, content: Json) -> None:
        """Write JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, POST")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: what clients send stays out of logs."""


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="an ONNX file")
    parser.add_argument("--name", help="the model's name; by default the file's")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 takes one that is free")
    parser.add_argument("--max-bytes", type=int, default=2**22, help="of a request")
    parser.add_argument("--at-once", type=int, default=8, help="requests that are answered")
    given = parser.parse_args()
    model = Model(given.model, given.name or given.model.stem)
    server = Server((given.host, given.port), model, given.max_bytes, given.at_once)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.server_address[:2]
    sys.stdout.write(f"http://{host}:{port}/v2/models/{model.name}\n")
    sys.stdout.flush()
    ended.wait()
    server.drain()


if __name__ == "__main__":
    main()
