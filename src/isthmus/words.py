"""Words of messages: lists, plurals and the nearest known word."""

import difflib
from collections.abc import Iterable, Sequence


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word and list all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {', '.join(names)}."


def listed(words: Sequence[str], last: str = "or") -> str:
    """Join words as a sentence does: `a, b or c`."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]


def shortened(words: Sequence[str], most: int = 20) -> str:
    """Join the first words, and say how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def columns_named(names: Sequence[str]) -> str:
    """Return `the column 'a'` or `the columns 'a', 'b'`."""
    return f"the column{'s' * (len(names) > 1)} {', '.join(map(repr, names))}"
