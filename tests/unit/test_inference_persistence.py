"""Tables for persistent series: p falls with the statistic, rises with r1, and has an end."""

import numpy as np
import numpy.testing as npt
import pytest
from scipy.special import ndtri

from headwater.inference.persistence import (
    persistent_limit,
    persistent_p,
    smallest_persistent_p,
)

KINDS = ("kendall", "student", "pettitt")
LENGTHS = (10, 13, 15, 20, 33, 60, 100, 240, 1000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", LENGTHS)
def test_p_falls_with_the_statistic_and_rises_with_r1(kind, n) -> None:
    value, r1 = np.meshgrid(np.linspace(0.0, 12.0, 60), np.linspace(-0.9, 0.9, 37), indexing="ij")
    p = persistent_p(kind, value, r1, n)
    assert ((p > 0) & (p <= 1)).all()
    assert (np.diff(p, axis=0) <= 1e-12).all()
    assert (np.diff(p, axis=1) >= -1e-12).all()
    npt.assert_allclose(p[0], 1.0)
    npt.assert_allclose(persistent_p(kind, -value, r1, n), p)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", LENGTHS)
def test_no_p_is_below_the_smallest(kind, n) -> None:
    least = float(smallest_persistent_p(kind, n))
    assert float(persistent_p(kind, 1e6, -0.5, n)) == pytest.approx(least)
    assert 1e-5 <= least <= 0.011


@pytest.mark.parametrize("n", [15, 40, 300])
def test_the_limit_of_an_interval_is_the_statistic_of_its_p(n) -> None:
    r1 = np.linspace(-0.5, 0.7, 7)
    limit = persistent_limit("kendall", 0.95, r1, n)
    npt.assert_allclose(persistent_p("kendall", limit, r1, n), 0.05, rtol=1e-6)


def test_many_values_need_the_limit_of_known_persistence() -> None:
    wanted = -ndtri(0.025)
    assert float(persistent_limit("kendall", 0.95, 0.0, 10**8)) == pytest.approx(wanted, rel=0.01)
    # the variance of S of an AR(1) series of 0.45, by simulation 2.55 times that of noise
    assert float(persistent_limit("kendall", 0.95, 0.45, 10**8)) == pytest.approx(
        wanted * np.sqrt(2.55), rel=0.03
    )


def test_too_few_values_and_missing_ones_have_no_p() -> None:
    found = persistent_p(
        "kendall", [2.0, np.nan, 2.0, 2.0], [0.1, 0.1, np.nan, 0.1], [9, 20, 20, 20]
    )
    assert np.isnan(found).tolist() == [True, True, True, False]
    assert np.isnan(persistent_limit("student", 0.95, 0.1, 9))
    assert np.isnan(smallest_persistent_p("kendall", 5))
