"""Data become what JSON holds."""

import json

import numpy as np
import pytest

from isthmus.io.plain import as_json


def test_arrays_and_scalars_of_numpy_become_pythons():
    data = {"a": np.arange(4.0).reshape(2, 2), "b": (np.int64(3), np.bool_(True)), 5: np.str_("x")}
    plain = as_json(data)
    assert plain == {"a": [[0.0, 1.0], [2.0, 3.0]], "b": [3, True], "5": "x"}
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert type(plain["b"][0]) is int


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32("nan")])
def test_what_is_not_finite_is_none(value):
    assert as_json({"x": [value, 1.5]}) == {"x": [None, 1.5]}


@pytest.mark.parametrize("value", [None, True, 0, 1e-300, "text"])
def test_plain_values_stay(value):
    assert as_json(value) is value


def test_other_things_are_refused():
    with pytest.raises(TypeError, match=r"JSON holds no set: turn \{1\} into text or numbers\."):
        as_json({"a": [{1}]})
