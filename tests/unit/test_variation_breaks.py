"""Breaks: equal to R strucchange on the Nile, and found where they were put.

The Nile at Aswan 1871-1970 [10^8 m3], Cobb (1978), doi:10.1093/biomet/65.2.243, R `datasets`. The
sums of squares, breaks and the interval are those that the documentation of R strucchange prints
for `breakpoints(Nile ~ 1)` and `confint` (recalled; segmentations are also proven by brute force).
"""

from itertools import combinations

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import DataError, TimeAxisError
from headwater.variation.breaks import (
    _segment_costs,
    _segmentation,
    argmax_cdf,
    structural_breaks,
)

NILE = np.array(
    [
        1120,
        1160,
        963,
        1210,
        1160,
        1160,
        813,
        1230,
        1370,
        1140,
        995,
        935,
        1110,
        994,
        1020,
        960,
        1180,
        799,
        958,
        1140,
        1100,
        1210,
        1150,
        1250,
        1260,
        1220,
        1030,
        1100,
        774,
        840,
        874,
        694,
        940,
        833,
        701,
        916,
        692,
        1020,
        1050,
        969,
        831,
        726,
        456,
        824,
        702,
        1120,
        1100,
        832,
        764,
        821,
        768,
        845,
        864,
        862,
        698,
        845,
        744,
        796,
        1040,
        759,
        781,
        865,
        845,
        944,
        984,
        897,
        822,
        1010,
        771,
        676,
        649,
        846,
        812,
        742,
        801,
        1040,
        860,
        874,
        848,
        890,
        744,
        749,
        838,
        1050,
        918,
        986,
        797,
        923,
        975,
        815,
        1020,
        906,
        901,
        1170,
        912,
        746,
        919,
        718,
        714,
        740,
    ],
    dtype=float,
)
YEARS = np.arange(1871, 1971)


def square(values: np.ndarray) -> float:
    return float(((values - values.mean()) ** 2).sum())


def test_segmentations_of_the_nile_are_those_of_strucchange() -> None:
    cost = _segment_costs(NILE, np.ones((100, 1)), 15)
    wanted = {
        0: ([], 2835157),
        1: ([28], 1597457),
        2: ([28, 83], 1552924),
        3: ([28, 68, 83], 1538097),
        4: ([28, 45, 68, 83], 1507888),
        5: ([15, 30, 45, 68, 83], 1659994),
    }
    for m, (places, total) in wanted.items():
        found = _segmentation(cost, m, 15)
        assert found.tolist() == places
        parts = np.split(NILE, found)
        assert sum(map(square, parts)) == pytest.approx(total, abs=0.6)


def test_the_break_of_the_nile_has_the_interval_of_strucchange() -> None:
    found = structural_breaks(pd.Series(NILE, YEARS), persistence=False)
    assert int(found["count"]) == 1
    assert float(found["time"][0]) == 1898
    assert (float(found["low"][0]), float(found["high"][0])) == (1895, 1902)
    assert float(found["shift"][0]) == pytest.approx(NILE[28:].mean() - NILE[:28].mean())
    # persistence, of which little is left about the step, widens the interval by a year
    wider = structural_breaks(pd.Series(NILE, YEARS))
    assert float(wider["time"][0]) == 1898
    assert float(wider["low"][0]) <= 1895
    assert float(wider["high"][0]) >= 1902


def test_dynamic_programming_equals_brute_force_also_with_a_factor() -> None:
    rng = np.random.default_rng(3)
    y, rain = rng.normal(size=(2, 24))
    for design in (np.ones((24, 1)), np.column_stack([np.ones(24), rain])):
        cost = _segment_costs(y, design, 4)

        def total(ends, design=design) -> float:
            parts = np.split(np.arange(24), ends)
            if min(map(len, parts)) < 4:
                return np.inf
            return sum(float(np.linalg.lstsq(design[p], y[p], rcond=None)[1][0]) for p in parts)

        best = min(combinations(range(4, 21), 2), key=total)
        assert _segmentation(cost, 2, 4).tolist() == list(best)
        npt.assert_allclose(
            cost[0, best[0]] + cost[best[0], best[1]] + cost[best[1], 24], total(best), rtol=1e-9
        )


def test_a_change_of_rain_is_no_break_and_one_of_its_effect_is() -> None:
    rng = np.random.default_rng(5)
    rain = np.repeat([300.0, 500.0], 20) + rng.normal(0, 20, 40)
    wet = 0.001 * rain + rng.normal(0, 0.005, 40)
    assert int(structural_breaks(wet)["count"]) == 1
    assert int(structural_breaks(wet, rain)["count"]) == 0
    hurt = np.where(np.arange(40) < 25, wet, wet - 0.05)
    found = structural_breaks(pd.Series(hurt, YEARS[:40]), pd.Series(rain, YEARS[:40]))
    assert int(found["count"]) == 1
    assert float(found["time"][0]) == pytest.approx(YEARS[24], abs=1)
    assert float(found["shift"][0]) == pytest.approx(-0.05, abs=0.02)


def test_the_distribution_of_a_break_is_that_of_simulated_walks() -> None:
    # 4000 two-sided walks, 0.02 apart, of strength 0.5 and variance 2 after the break
    rng, step, n = np.random.default_rng(7), 0.02, 2500
    along = np.arange(1, n + 1) * step
    before, after = (np.sqrt(step) * rng.normal(size=(4000, n)).cumsum(axis=1) for _ in range(2))
    before, after = before - along / 2, after - 0.5 * along / 2
    early, late = before.max(axis=1), after.max(axis=1)
    place = np.where(early > late, -along[before.argmax(axis=1)], along[after.argmax(axis=1)])
    place = np.where(np.maximum(early, late) > 0, place, 0.0)
    for x in (-8.0, -2.0, 2.0, 8.0):
        assert (place <= x).mean() == pytest.approx(argmax_cdf(x, 0.5, 2.0), abs=0.025)


def test_maps_gaps_and_what_cannot_be_searched() -> None:
    cube = np.random.default_rng(9).normal(size=(30, 2, 2))
    cube[15:, 0, 0] += 6.0
    cube[3:5, 0, 0] = np.nan
    cube[:, 1, 1] = 2.0
    cube[:, 1, 0] = np.nan
    found = structural_breaks(cube)
    assert found["time"].dims == ("break", "y", "x")
    assert float(found["time"][0, 0, 0]) == 1984
    assert float(found["n"][0, 0]) == 28
    assert np.isnan(found["count"].values[1]).all()
    with pytest.raises(DataError, match="no room"):
        structural_breaks(cube, min_share=0.7)
    with pytest.raises(TimeAxisError, match="different times"):
        structural_breaks(cube, cube[1:])
    lazy = xr.DataArray(cube, dims=("time", "y", "x")).assign_coords(
        time=pd.date_range("1970", periods=30, freq="YS")
    )
    xr.testing.assert_allclose(structural_breaks(lazy.chunk(time=10)).compute(), found)


def test_allowing_for_persistence_finds_far_fewer_breaks_in_noise() -> None:
    values = np.random.default_rng(11).normal(size=(40, 200))
    for i in range(1, 40):
        values[i] += 0.6 * values[i - 1]
    shares = [
        float((structural_breaks(values, persistence=kept)["count"] > 0).mean())
        for kept in (True, False)
    ]
    # the BIC is no test: docs/limits.md; p is that of a change of any kind
    assert shares[0] < 0.45
    assert shares[1] > 0.7
    assert float((structural_breaks(values)["p"] <= 0.05).mean()) < 0.1
