"""What columns of tables count in a detector's score: by their losses in clean rows."""

import numpy as np
import polars as pl
import pytest

from isthmus import OutlierDetector
from isthmus.model import weight_there
from isthmus.outliers.members import strangeness
from isthmus.outliers.weights import LEAST, cell_sizes, weighed

QUICK = {"max_epochs": 2, "architecture": "dense:hidden=[8]"}


def rows(n=200):
    rng = np.random.default_rng(0)
    town = rng.choice(["Ulm", "Kiel", "Bonn"], n)
    size = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    return pl.DataFrame({"town": town, "size": size, "rare": 1.0 * (rng.random(n) < 0.02)})


@pytest.fixture(scope="module")
def detector():
    return OutlierDetector(QUICK, n_estimators=1, random_state=0).fit(rows())


@pytest.fixture(scope="module")
def both(detector):
    X = detector.schema_.encode(rows())
    model = detector.members_[0].model
    return model, weighed([model], X)[0], X


def test_columns_weigh_by_their_losses_and_the_weight_in_all_stays(both):
    before, after, X = both
    size = cell_sizes(before, X)
    by_hand = 1 / np.maximum(size, LEAST * np.median(size))
    by_hand *= 3 / by_hand.sum()
    np.testing.assert_allclose(after.mixed.share, by_hand)
    np.testing.assert_allclose(after.mixed.price, before.mixed.price * by_hand)
    assert by_hand[2] < by_hand[:2].min()


def test_weights_given_to_columns_are_kept(both):
    before, after, X = both
    np.testing.assert_allclose(cell_sizes(after, X), cell_sizes(before, X), rtol=1e-5)


def test_the_distance_has_the_same_weights_over_cells_that_are_there(detector, both):
    _, model, X = both
    member = detector.members_[0]._replace(model=model)
    known, mixed = member.known(), model.mixed
    found = member.measured(X, known)
    by_hand = found.losses.sum(axis=1)
    for drawn, (index, _) in zip(known, found.nearest, strict=True):
        gaps = model.slots_by_cell((found.again - drawn[index]) ** 2) * ~np.isnan(X)
        by_hand += gaps.sum(axis=1) / weight_there(mixed, X) / len(known)
    np.testing.assert_allclose(strangeness([member], X), by_hand, rtol=1e-4)


def test_only_clean_rows_tell_weights(detector):
    clean = OutlierDetector(QUICK, n_estimators=1, random_state=0, contamination="none")
    shares = [np.asarray(d.members_[0].model.mixed.share) for d in (detector, clean.fit(rows()))]
    np.testing.assert_array_equal(shares[0], 1)
    assert np.ptp(shares[1]) > 0.1
