"""Images through models of maps: whole in blocks, channels, units, files, and the command."""

import json
from dataclasses import replace
from math import prod
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator

from isthmus import Autoencoder, Cosine, Poisson, TopK, load
from isthmus.images import Denoiser, Images, denoise, denoising, whole
from isthmus.images.channels import passes_of
from isthmus.images.whole import Rule, rounded_up
from isthmus.model import Affine, Model, is_local, resolve_slots, scaler_of_pixels

PLAIN = "conv:channels=[4],stride=1,code=maps"
NETS = {  # most with a size that their strides do not divide
    "plain": ("conv:channels=[4,3],stride=1,code=maps", (8, 8)),
    "even": ("conv:channels=[4,3],stride=2,kernel=4,code=maps,tied=true", (8, 12)),
    "strides": ("conv:channels=[4,3],stride=2,kernel=4,code=maps,norm=layer", (10, 12)),
    "odd": ("conv:channels=[4,3,2],stride=2,code=maps", (14, 14)),
    "valid": ("conv:channels=[4,3],stride=2,code=maps,padding=valid", (9, 9)),
    "full": ("conv:channels=[3],stride=2,code=maps,padding=full", (9, 8)),
    "gaps": ("conv:channels=[3],stride=3,kernel=2,code=maps", (9, 9)),
}


def fitted(architecture, X, **settings):
    settings = {"scaling": "range", "corruption": "gaussian", "random_state": 0} | settings
    return Autoencoder(None, architecture, max_epochs=1, **settings).fit(X)


@pytest.fixture(scope="module")
def colour():
    """A model of colour images of values from 0 to 1."""
    return fitted(PLAIN, np.random.default_rng(0).random((20, 6, 6, 3)))


@pytest.fixture(scope="module")
def grey():
    """A model of grey images of bytes."""
    return fitted(PLAIN, np.random.default_rng(0).integers(0, 256, (20, 6, 6), np.uint8))


@pytest.fixture
def small_blocks(monkeypatch):
    """Let blocks be as small as they can be."""
    monkeypatch.setattr(whole, "MOST_VALUES", 1)


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 3)])
def test_roots_of_counts_go_whole_as_they_go_in_the_models_own_size(rng, small_blocks, shape):
    ae = fitted(PLAIN, rng.poisson(20, (20, *shape)), scaling="anscombe")
    large = rng.poisson(20, (30, 25, *shape[2:])).astype(np.uint16).astype(float)
    net = ae.net_.resized(large.shape[:2])
    scaler = scaler_of_pixels(ae.fitted_.model)
    scaled = scaler.forward(large.reshape(30, 25, -1), "float32").reshape(1, -1)
    made = reconstruct(ae.fitted_.model.objective, net, scaled)
    wanted = scaler.inverse(np.asarray(made).reshape(30, 25, -1)).reshape(large.shape)
    np.testing.assert_allclose(denoise(ae, large), wanted, rtol=1e-4, atol=1e-3)
    own = rng.poisson(20, shape).astype(float)
    np.testing.assert_allclose(
        scaler.forward(own.reshape(36, -1), "float64").ravel(),
        ae.fitted_.model.scaler.forward(own.reshape(1, -1), "float64").ravel(),
    )
    with pytest.raises(ValueError, match="'anscombe' is for counts"):
        denoise(ae, large - 100)


# -- as if the image went through whole ----------------------------------------------------------


@jax.jit
def reconstruct(objective, net, x):
    return objective.reconstruct(net, x)


def at_once(ae, image, padded):
    """Return what the net, made for images of a size, makes of one that is mirrored to that size."""
    model, (height, width) = ae.fitted_.model, image.shape[:2]
    mirrored = np.pad(image, [(0, padded[0] - height), (0, padded[1] - width), (0, 0)], "reflect")
    net = model.net.resized(padded)
    scaler = Denoiser(ae).whole.scaler
    x = scaler.forward(mirrored, model.dtype).reshape(1, -1)
    made = np.asarray(reconstruct(model.objective, net, x)).reshape(mirrored.shape)
    return scaler.inverse(made)[:height, :width]


class Untrained(BaseEstimator):
    """A model of two channels with fresh weights, and biases, which show behind an edge."""

    reconstruct = Autoencoder.reconstruct

    def __init__(self, architecture, tile, **adding):
        self.sample_shape_ = (*tile, 2)
        slots, d = resolve_slots(Autoencoder(None, architecture)), prod(self.sample_shape_)
        net = slots.architecture.build(
            self.sample_shape_,
            None,
            np.random.default_rng(0),
            code_activation=None,
            output="identity",
            dtype="float32",
        )
        encoder, decoder = (
            tuple(replace(layer, bias=layer.bias + 0.3) for layer in side)
            for side in (net.encoder, net.decoder)
        )
        net = replace(net, encoder=encoder, decoder=decoder, **adding)
        scaler = Affine(np.zeros(d), np.ones(d))
        model = Model(slots, net, scaler, "range", np.zeros(d), self.sample_shape_, "float32")
        self.fitted_ = SimpleNamespace(model=model, image_scale=None)

    def __sklearn_is_fitted__(self):
        return True

    def fit(self):
        return self


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("adding", [{}, {"residual": True, "skips": True}], ids=["", "adding"])
@pytest.mark.parametrize("name", NETS)
def test_blocks_are_the_whole_image(rng, name, adding):
    if adding and name != "even":
        return
    ae = Untrained(*NETS[name], **adding)
    image = rng.random((97, 33, 2))
    down, across = map(Denoiser(ae).whole.rule.cut, image.shape[:2])
    assert len(down.starts) > 1
    expected = at_once(ae, image, (down.padded, across.padded))
    np.testing.assert_allclose(denoise(ae, image), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 40), (6, 6)])
def test_images_of_any_size(colour, rng, size):
    image = rng.random((*size, 3))
    np.testing.assert_allclose(denoise(colour, image), at_once(colour, image, size), atol=1e-5)
    if size == (6, 6):
        np.testing.assert_array_equal(denoise(colour, image), colour.reconstruct(image[None])[0])


def test_sides_are_cut_to_blocks_that_overlap_enough():
    for stride, margin, least in [(1, 3, 1), (8, 16, 8), (4, 12, 20)]:
        rule = Rule(stride, margin, least, 5 * margin)
        for side in range(1, 200):
            cut = rule.cut(side)
            assert max(side, least) <= cut.padded < max(side, least) + stride
            assert cut.padded % stride == cut.length % stride == 0
            kept = [range(piece.kept.start, piece.kept.stop) for piece in cut.pieces]
            assert [place for places in kept for place in places] == [*range(side)]
            for piece in cut.pieces:
                assert piece.start % stride == 0
                assert piece.start == 0 or piece.inside.start >= margin
                last = piece.start + cut.length >= cut.padded
                assert last or cut.length - piece.inside.stop >= margin


def test_few_programs_serve_for_images_of_many_sizes(colour, rng):
    before = whole._reconstruct._cache_size()
    denoise(colour, [rng.random((h, w, 3)) for h in range(33, 41) for w in (50, 53, 56)])
    assert whole._reconstruct._cache_size() - before <= 1
    assert {rounded_up(size) for size in range(64, 129)} == {64, 80, 96, 112, 128}


def test_models_that_see_more_than_what_is_near_keep_their_tiles():
    model = Untrained(PLAIN, (6, 6)).fitted_.model
    kinds = {"sparsity": TopK(k=5)}, {"loss": Cosine()}, {"loss": Poisson()}, {}
    found = [is_local(replace(model, slots=model.slots._replace(**kind))) for kind in kinds]
    assert found == [False, False, True, True]
    dense = Untrained("conv:channels=[2],code=dense", (6, 6))
    assert Denoiser(dense).whole is None


def test_scalings_that_differ_from_pixel_to_pixel_are_refused(rng):
    ae = fitted(PLAIN, rng.random((20, 6, 6)), scaling="standard")
    with pytest.raises(ValueError, match="scaling, 'standard', differs from pixel to pixel.*range"):
        denoise(ae, np.zeros((9, 9)))
    assert denoise(ae, np.zeros((6, 6))).shape == (6, 6)


def test_an_overlap_is_refused(grey):
    with pytest.raises(ValueError, match="overlap is for tiles, and this model.*leave it out"):
        denoise(grey, np.zeros((9, 9)), overlap=2)


# -- channels, types and units -------------------------------------------------------------------


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_a_grey_model_takes_each_colour_by_itself(grey, rng, channels):
    image = rng.integers(0, 256, (9, 7, channels), np.uint8)
    again = denoise(grey, image)
    colours = 3 if channels > 2 else 1
    for i in range(colours):
        np.testing.assert_array_equal(again[..., i], denoise(grey, image[..., i]))
    np.testing.assert_array_equal(again[..., colours:], image[..., colours:])


def test_a_colour_model_takes_grey_for_three_equal_colours(colour, rng):
    image = rng.random((9, 7))
    expected = denoise(colour, np.dstack([image] * 3)).mean(axis=-1)
    np.testing.assert_allclose(denoise(colour, image), expected, atol=1e-6)
    with_alpha = denoise(colour, np.dstack([image, np.ones_like(image)]))
    np.testing.assert_allclose(with_alpha, np.dstack([expected, np.ones_like(image)]), atol=1e-6)


def test_channels_of_another_number_fit_only_their_own():
    assert passes_of(5, 3) is passes_of(3, 4) is passes_of(4, 2) is None
    assert passes_of(4, 4) == [([0, 1, 2, 3], [0, 1, 2, 3])]


def test_several_images_or_one(grey, rng):
    several = rng.integers(0, 256, (4, 9, 5), np.uint8)
    again = denoise(grey, several)
    np.testing.assert_array_equal(again, [denoise(grey, image) for image in several])
    again[0] = 0  # what comes back is the user's own
    with pytest.raises(ValueError, match=r"has shape \(0, 5\), which does not fit"):
        denoise(grey, np.zeros((0, 5)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("value", [0, 1, 255])
def test_constant_images_of_all_types(grey, dtype, value):
    again = denoise(grey, np.full((11, 4), value, dtype))
    assert again.dtype == dtype
    assert np.isfinite(again).all()


def test_sixteen_bits_are_brought_to_the_units_of_a_model_of_bytes(grey, rng):
    image = rng.integers(0, 256, (9, 12), np.uint8)
    with pytest.warns(UserWarning, match="from 0 to 65,535 are taken for those that are 0 to 255"):
        deep = denoise(grey, image.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep / 257, denoise(grey, image.astype(float)), atol=0.01)


def test_bytes_are_brought_to_the_units_of_other_models(colour, rng):
    image = rng.integers(0, 256, (9, 12, 3), np.uint8)
    with pytest.warns(UserWarning, match="from 0 to 255 are taken for those that are 0 to 1: the"):
        again = denoise(colour, image)
    np.testing.assert_allclose(again, 255 * denoise(colour, image / 255), atol=0.51)
    deep = fitted(PLAIN, rng.integers(0, 65536, (20, 6, 6), np.uint16))
    with pytest.warns(UserWarning, match="from 0 to 255 are taken for those that are 0 to 65,535"):
        again = denoise(deep, image[..., 0])
    np.testing.assert_allclose(again, denoise(deep, image[..., 0] * 257.0) / 257, atol=0.51)
    with pytest.warns(
        UserWarning, match="values from 0 to 200, and the model was fitted on .* to 0.99"
    ):
        denoise(colour, image.clip(0, 200) * 1.0)


def test_an_image_from_0_to_1_is_no_image_of_a_model_of_bytes(grey, rng):
    with pytest.warns(UserWarning, match="fitted on values up to .*: bring it to the same units"):
        denoise(grey, rng.uniform(size=(9, 12)))


def test_no_images_give_none(grey):
    assert denoise(grey, np.zeros((0, 9, 12))).shape == (0, 9, 12)


@pytest.mark.parametrize("given", ["photo.png", Images(["a.png"], np.zeros((1, 6, 6)))])
def test_what_is_no_image_is_said(grey, given):
    with pytest.raises(TypeError, match="is no image: give an array.*read_images"):
        denoise(grey, given)


@pytest.mark.filterwarnings("ignore:The image has values from")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_no_numbers_or_beyond_them(colour, value):
    image = np.zeros((9, 9, 3))
    image[3, 3, 0] = value
    text = "beyond what a model in float32" if value == 1e300 else "The image has NaN or infinite"
    with pytest.raises(ValueError, match=text):
        denoise(colour, image)


# -- progress ------------------------------------------------------------------------------------


def test_strips_of_a_large_image_are_counted(colour, rng, monkeypatch, capsys, small_blocks):
    image = rng.random((80, 12, 3))
    strips = Denoiser(colour).whole.steps((1, 80, 12, 3))
    assert strips > 2
    denoise(colour, image, verbose=1)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(denoising, "LARGE", 1)
    denoise(colour, image)
    assert capsys.readouterr().err == ""
    denoise(colour, image, verbose=1)
    assert f"denoise: {strips} of {strips} strips" in capsys.readouterr().err


# -- the command ---------------------------------------------------------------------------------


@pytest.fixture
def here(cli, grey, colour):
    """Run a command line in a folder with a model of grey images and one of colour images."""
    grey.save("grey.isthmus")
    colour.save("colour.isthmus")
    return cli


def shown(path):
    return np.asarray(Image.open(path))


def put(name, pixels, **options):
    Path(name).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(name, **options)


@pytest.mark.filterwarnings("ignore:Pixels from 0 to 65,535 are taken")
@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((9, 12), "u1"), ((9, 12), "u2"), ((9, 12, 2), "u1"), ((9, 12, 3), "u1"), ((9, 12, 4), "u1")],
)
def test_one_image_to_one(here, rng, ending, shape, dtype):
    pixels = rng.integers(0, 256, shape).astype(dtype) * (257 if dtype == "u2" else 1)
    put("in.png", pixels)
    status, out, err = here("denoise", "grey.isthmus", "in.png", "-o", f"out{ending}")
    if ending == ".bmp" and (dtype == "u2" or shape[2:] in ((2,), (4,))):
        assert status == 1
        assert "A .bmp file holds no" in err
        return
    assert status == 0
    assert "1 image\n" in out
    assert ("each by itself" in err) == (len(shape) == 3 and shape[2] > 2)
    expected = denoise(load("grey.isthmus"), pixels)
    np.testing.assert_array_equal(shown(f"out{ending}"), expected)
    if shape[2:] in ((2,), (4,)):
        np.testing.assert_array_equal(shown(f"out{ending}")[..., -1], pixels[..., -1])


def test_a_folder_of_all_kinds(here, rng):
    put("in/grey.png", rng.integers(0, 256, (5, 8), np.uint8))
    put("in/deep.tif", rng.integers(0, 2**16, (9, 9), np.uint16))
    put("in/clear.png", rng.integers(0, 256, (30, 4, 4), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    put("in/photo.jpg", rng.integers(0, 256, (17, 12, 3), np.uint8), exif=exif)
    Image.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8)).quantize(8).save("in/few.png")
    status, out, err = here("denoise", "colour.isthmus", "in", "-o", "out", "--json")
    assert status == 0, err
    assert json.loads(out)["images"] == 5
    made = {path.name: shown(path) for path in Path("out").iterdir()}
    assert {name: (p.shape, p.dtype.name) for name, p in made.items()} == {
        "grey.png": ((5, 8), "uint8"),
        "deep.tif": ((9, 9), "uint16"),
        "clear.png": ((30, 4, 4), "uint8"),
        "photo.png": ((12, 17, 3), "uint8"),
        "few.png": ((7, 7, 3), "uint8"),
    }
    Path("in/deep.tif").unlink()
    status, _, err = here("denoise", "grey.isthmus", "in", "-o", "plain", "--mode", "grey")
    assert (status, err) == (0, "")
    assert shown("plain/photo.png").shape == (12, 17)


def deep_colour(path):
    """Write a PNG of one pixel with 16 bits a channel, which Pillow does not write."""
    import struct
    import zlib

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(b"\0" + bytes(6))), (b"IEND", b"")
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks))


def test_refusals_of_one_image(here, rng):
    put("in.png", rng.integers(0, 256, (9, 9), np.uint8))
    deep_colour("deep.png")
    refused = {
        ("in.png", "-o", "out.jpg"): (1, "out.jpg must end in .png, .tif, .tiff or .bmp"),
        ("in.png", "-o", "in.png", "--force"): (1, "is also an input"),
        ("in.png", "-o", "out.png", "--size", "6x6"): (2, "--size is for folders"),
        ("in.png", "-o", "out.png", "--id", "a"): (2, "in.png is an image: --id is for tables"),
        ("in.png", "-o", "out.png", "--overlap", "2"): (2, "The overlap is for tiles, and this"),
        ("in.png", "-o", "out.png", "--max-pixels", "80"): (1, "has more than 80 pixels, which"),
        ("in.png", "-o", "out.png", "--max-pixels", "0"): (2, "must be from 1 to 178,956,970"),
        ("deep.png", "-o", "out.png"): (1, "deep.png has 16 bits in colour or with alpha"),
        ("no.png", "-o", "out.png"): (1, "there is no such file"),
    }
    for words, (status, text) in refused.items():
        ended = here("denoise", "grey.isthmus", *words)
        assert (ended.status, text in ended.err) == (status, True), ended.err
    assert not Path("out.png").exists()


def test_an_interrupt_leaves_no_half_of_an_image(here, rng, monkeypatch):
    put("in.png", rng.integers(0, 256, (9, 9), np.uint8))
    Path("out.png").write_bytes(b"old")

    def interrupted(self, file, *_):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupted)
    assert here("denoise", "grey.isthmus", "in.png", "-o", "out.png", "--force").status == 130
    assert Path("out.png").read_bytes() == b"old"
    assert not [*Path().glob(".out.png*")]
