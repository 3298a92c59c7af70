"""Fixtures for files in and out."""

import re
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from isthmus.io.choices import TableError


@pytest.fixture
def fails():
    """Assert that a call fails with a TableError of one sentence that contains this text."""

    def fails(match, call, *args, **kwargs):
        with pytest.raises(TableError, match=re.escape(match)) as caught:
            call(*args, **kwargs)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(".")

    return fails


@pytest.fixture
def grey(rng):
    return rng.integers(0, 256, (5, 7), dtype=np.uint8)


@pytest.fixture
def pillow_left_alone():
    """Hold that Pillow's settings and the warnings' filters are left alone."""
    Image.init()
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    yield
    after = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    assert before == after
