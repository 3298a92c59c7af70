"""Bets against "nothing changes": what each stake becomes when a row arrives, 1 on average at most."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

SHIFTS = np.array([-2, -1, -0.5, -0.25, 0.25, 0.5, 1, 2])  # of the middle, in deviations
SPREADS = np.array([0.5, 2])  # of the deviation
CHANGES = ["lower"] * 4 + ["higher"] * 4 + ["narrower", "wider"]
N_BETS = len(CHANGES)
USUAL_RATE = 0.3  # of rows as strange as the strangest tenth was: a fifth, and a tenth of outliers
RATES = np.array([0.5, 0.9])  # that are betted on
EDGE = 2.0**-53
EVERY = 50  # rows, after which the next part of the money is staked
RICHEST = 1e100  # what a stake counts at most


def on_places(places: np.ndarray) -> np.ndarray:
    """Return by what stakes grow on places of a new row's values, (values, bets).

    As a normal deviate z of its place a value has the density of N(m, s^2) over that of N(0, 1), for
    shifts m and spreads s: 1 on average where places are uniform.
    """
    z = ndtri(np.clip(places, EDGE, 1 - EDGE))[:, None]
    shifts = np.exp(SHIFTS * z - SHIFTS**2 / 2)
    spreads = np.exp((1 - SPREADS**-2.0) * z**2 / 2) / SPREADS
    return np.concatenate([shifts, spreads], axis=1)


def on_strange(strange: bool) -> np.ndarray:
    """Return by what stakes grow on many strange rows: at most 1 on average up to the usual rate."""
    return RATES / USUAL_RATE if strange else (1 - RATES) / (1 - USUAL_RATE)


def kept_back(rows: int) -> float:
    """Return the part of the money that is not yet staked after so many rows."""
    return 1 / math.log2(-(-rows // EVERY) + 2) if rows else 1.0


def staked(stakes: np.ndarray, more: float, growth: np.ndarray) -> np.ndarray:
    """Return what stakes become: more is put on each, and they grow."""
    return np.minimum((stakes + more) * growth, RICHEST)
