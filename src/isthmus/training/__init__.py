"""The equation and the loops that train it."""
