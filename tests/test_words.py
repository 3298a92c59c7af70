"""The words of messages."""

import pytest

from isthmus.words import (
    columns_named,
    did_you_mean,
    first_line,
    is_or_are,
    listed,
    shape_text,
    shortened,
    suggestion,
)


def test_the_nearest_word_is_suggested():
    assert suggestion("agee", ["pay", "age"]) == " Did you mean 'age'?"
    assert suggestion("zzz", ["pay", "age"]) == ""
    assert did_you_mean("hubber", ["mse", "huber"]) == " Did you mean 'huber'? Known: huber, mse."
    assert did_you_mean("zzz", ["mse", "huber"]) == " Known: huber, mse."


@pytest.mark.parametrize(
    ("words", "sentence"),
    [([], ""), (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")],
)
def test_lists(words, sentence):
    assert listed(words) == sentence
    assert listed(words, "and") == sentence.replace(" or ", " and ")


def test_long_lists_are_shortened():
    words = [str(i) for i in range(2003)]
    assert shortened(words[:3], 3) == "0, 1, 2"
    assert shortened(words, 3) == "0, 1, 2 and 2,000 more"
    assert shortened(words[:4], 2, "; ") == "0; 1 and 2 more"


def test_plurals():
    assert columns_named(["a"]) == "the column 'a'"
    assert columns_named(["a", "b"]) == "the columns 'a', 'b'"
    assert [is_or_are(words) for words in (["a"], ["a", "b"])] == ["is", "are"]


def test_shapes_and_errors():
    assert shape_text((28, 28)) == "28x28"
    assert shape_text((3, 4, 5), " x ") == "3 x 4 x 5"
    assert first_line(ValueError("\n one thing. \nand more.")) == "one thing"
    assert first_line(ValueError("one thing.")) == "one thing"
    assert first_line(ValueError("\x1b[2J of\tü")) == r"\x1b[2J of\tü"
