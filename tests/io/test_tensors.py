"""Arrays and JSON in one file: exact, and one error for all that can be wrong."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save

from isthmus.io.atomic import FileError
from isthmus.io.tensors import ModelFileError, read_tensors, write_model_bytes, write_tensors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.isthmus"


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i8", "i4", "u1", "?", ">f4", ">i8"])
def test_arrays_are_read_back_exactly(path, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    write_tensors(path, {"a": array, "scalar": array[1, 2], "none": array[:0]}, {})
    tensors, _ = read_tensors(path)
    np.testing.assert_array_equal(tensors["a"], array)
    assert tensors["a"].dtype == np.dtype(dtype).newbyteorder("=")
    assert tensors["scalar"].shape == ()
    assert tensors["none"].shape == (0, 3)
    tensors["a"][0, 0] = 1  # what is read can be written to


def test_strides_do_not_matter(path, rng):
    array = rng.normal(size=(4, 6))
    views = {
        "columns first": np.asfortranarray(array),
        "transposed": array.T,
        "sliced": array[::2, 1::2],
        "reversed": array[::-1],
        "broadcast": np.broadcast_to(array[0], (3, 6)),
    }
    write_tensors(path, views, {})
    tensors, _ = read_tensors(str(path))
    for name, view in views.items():
        np.testing.assert_array_equal(tensors[name], view, name)


def test_metadata_are_kept(path):
    metadata = {"text": "ü\n", "list": [1, 2.5, None, True], "nan": float("nan")}
    write_tensors(path, {}, metadata)
    tensors, read = read_tensors(path)
    assert tensors == {}
    assert len(read.pop("sha256")) == 64
    assert str(read) == str(metadata)  # NaN equals nothing
    assert read_tensors(path)[1]["list"] == metadata["list"]


def damaged():
    whole = save({"a": np.ones(4)}, metadata={"isthmus": "{}"})
    a = {"dtype": "F64", "shape": [4], "data_offsets": [0, 32]}

    def header(data=bytes(32), **changes):
        text = json.dumps({"__metadata__": {"isthmus": "{}"}, "a": a} | changes).encode()
        return struct.pack("<Q", len(text)) + text + data

    return {
        "empty": b"",
        "text": b"this is no model",
        "cut": whole[:-8],
        "longer": whole + b"x",
        "a huge header": struct.pack("<Q", 2**62) + b"{}",
        "no JSON": struct.pack("<Q", 2) + b"{{",
        "no metadata": save({"a": np.ones(4)}),
        "other metadata": save({"a": np.ones(4)}, metadata={"format": "pt"}),
        "metadata that are no JSON": save({}, metadata={"isthmus": "{"}),
        "metadata that are a list": save({}, metadata={"isthmus": "[]"}),
        "metadata of a thousand brackets": save({}, metadata={"isthmus": "[" * 100_000}),
        "more than it holds": header(a=a | {"shape": [2**40], "data_offsets": [0, 2**43]}),
        "a shape of another size": header(a=a | {"shape": [5]}),
        "a dtype without a name in NumPy": header(a=a | {"dtype": "BF16", "shape": [16]}),
        "two arrays in one place": header(b=a),
        "a hole": header(bytes(40), a=a | {"data_offsets": [8, 40]}),
    }


@pytest.mark.parametrize("kind", damaged())
def test_damaged_and_foreign_files_give_one_error(path, kind):
    path.write_bytes(damaged()[kind])
    match = r"m\.isthmus is no isthmus model, or is cut off or damaged \(\w+\)\.$"
    with pytest.raises(ModelFileError, match=match):
        read_tensors(path)


def test_files_that_are_not_there(path, tmp_path):
    with pytest.raises(ModelFileError, match=r"Cannot read .*m\.isthmus: No such file"):
        read_tensors(path)
    with pytest.raises(ModelFileError, match=r"Cannot read .*: Is a directory\.$"):
        read_tensors(tmp_path)


def test_files_that_cannot_be_written(tmp_path):
    place = tmp_path / "no" / "m.isthmus"
    for write in (lambda: write_tensors(place, {}, {}), lambda: write_model_bytes(place, b"")):
        with pytest.raises(ModelFileError, match=r"the folder .*no does not exist\.$"):
            write()
    assert issubclass(ModelFileError, FileError)
    write_model_bytes(str(tmp_path / "m.onnx"), b"bytes")
    assert (tmp_path / "m.onnx").read_bytes() == b"bytes"
