"""How much a packed file may unpack to: more is a bomb, or near to one."""

MOST_UNPACKED = 2**31  # bytes of numbers; columns that are nearly constant pack a thousandfold,
TEXT = 8  # and text takes so many times its size while it is read;
MOST_UNPACKED_RATIO = 200  # more than that has to be as many times the packed size


class Damaged(Exception):
    """What a binary file says of itself cannot be followed."""


def most_unpacked(packed: int, *, text: bool = False) -> int:
    """Return to how many bytes so many packed ones may unpack."""
    return max(MOST_UNPACKED // (TEXT if text else 1), MOST_UNPACKED_RATIO * packed)
