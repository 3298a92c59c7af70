"""How strange a row must be to be an alert, such that few of the alerts are false: two budgets.

A level is settled by the decisions before it alone, and more alerts before it never lower it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

REMEMBERED = 1000  # alerts: to forget the oldest only lowers levels
FIRST = 0.5  # the part of the rate that is spent before the first alert
GAMMA = 0.07720838  # makes the sum of gamma at most 1
PATIENCE = 1000  # rows over which credits are spent, where they are many
# E sup_k U_(k) (n + 1) / k of n ordered uniform numbers, at most; nearly so for all n.
UNLUCKY = math.pi**2 / 6


class Budget(ABC):
    """What levels are paid from."""

    @abstractmethod
    def level(self) -> float:
        """Return the p-value up to which the next row is an alert."""

    @abstractmethod
    def settle(self, alert: bool) -> None:
        """Book the decision on that row."""

    @abstractmethod
    def state(self) -> list[int]:
        """Return where the budget stands, in whole numbers."""

    @abstractmethod
    def restore(self, state: list[int]) -> None:
        """Stand where another budget stood."""


class Lord(Budget):
    """LORD++: each alert pays for the rows after it, the next ones most.

    `level_t = W g_t + (r - W) g_(t - a1) + r sum_(j > 1) g_(t - aj)`, for alerts at rows a1, a2, ...,
    the rate r and W = r / 2, with g_t as `log(max(t, 2)) / (t exp(sqrt(log t)))`, whose sum is at
    most 1. Levels up to any row sum up to at most r times the alerts, or r before the first.

    References
    ----------
    Ramdas, Yang, Wainwright and Jordan, "Online control of the false discovery rate with decaying
    memory", 2017 (LORD++); Javanmard and Montanari, "Online rules for control of false discovery
    rate and false discovery exceedance", 2018 (g).
    """

    def __init__(self, rate: float) -> None:
        self.rate, self.tested, self.first = rate, 0, 0
        self.others: list[int] = []

    def level(self) -> float:
        """Return the p-value up to which the next row is an alert."""
        row, early = self.tested + 1, FIRST * self.rate
        paid = early * float(gamma(row))
        if self.first:
            paid += (self.rate - early) * float(gamma(row - self.first))
        if self.others:
            paid += self.rate * float(gamma(row - np.array(self.others)).sum())
        return paid

    def settle(self, alert: bool) -> None:
        """Book the decision on that row."""
        self.tested += 1
        if alert and self.first:
            self.others = [*self.others, self.tested][-REMEMBERED:]
        elif alert:
            self.first = self.tested

    def state(self) -> list[int]:
        """Return where the budget stands, in whole numbers."""
        return [self.tested, self.first, *self.others]

    def restore(self, state: list[int]) -> None:
        """Stand where another budget stood."""
        self.tested, self.first, *self.others = state


def gamma(t: np.ndarray | int) -> np.ndarray:
    """Return the share of what an alert pays that goes to the t-th row after it."""
    logs = np.log(np.asarray(t, float))
    return GAMMA * np.maximum(logs, math.log(2)) / (t * np.exp(np.sqrt(logs)))


class Credits(Budget):
    """A budget in units of the smallest conformal p-value there is, 1 / (n + 1).

    A smaller level finds nothing, so it is not paid for. There are `floor(r (n + 1) 6 / pi^2)` credits
    at the start, and as many for each alert after the first. A row costs one credit, and is an alert if
    it is stranger than all n calibration rows; or a thousandth of the credits, c of them, if these
    are more, and then it is an alert if fewer than c rows are at least as strange. Where no credit is
    left rows are no alerts.

    The expected share of false alerts is at most r: given the calibration rows, normal rows are
    independent of all others, and the false ones cost at most `sup_k F(k / (n + 1)) (n + 1) / k`
    times what was paid, for the chance F of a p-value of k / (n + 1); of that the mean over
    calibration rows is at most pi^2 / 6. Ties make F smaller.
    """

    def __init__(self, rate: float, n: int) -> None:
        self.n, self.income = n, int(rate * (n + 1) / UNLUCKY)
        self.credits, self.alerted = self.income, 0

    @property
    def price(self) -> int:
        """What the next row costs."""
        return -(-self.credits // PATIENCE)

    def level(self) -> float:
        """Return the p-value up to which the next row is an alert."""
        return self.price / (self.n + 1)

    def settle(self, alert: bool) -> None:
        """Book the decision on that row."""
        self.credits -= self.price
        if alert:
            self.credits += self.income * self.alerted
            self.alerted = 1

    def state(self) -> list[int]:
        """Return where the budget stands, in whole numbers."""
        return [self.credits, self.alerted]

    def restore(self, state: list[int]) -> None:
        """Stand where another budget stood."""
        self.credits, self.alerted = state


def least_rows(rate: float) -> int:
    """Return how many calibration rows a budget of credits needs to have one."""
    return math.ceil(UNLUCKY / rate) - 1
