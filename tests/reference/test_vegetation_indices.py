"""Cover, condition indices and smoothing against published formulas and other programs.

Whittaker: R pracma 2.4.2, whittaker(y, lambda = 10, d = 2), and a dense solve with a weight of 0.
HANTS: gespinoza/hants (Apache-2.0), commit fb0f0fd, function HANTS, ridge delta 0.1, fet 0.05,
3 harmonics, dod 1, 23 values every 16 days; the cloud at index 7 is dropped. Cover, VCI, TCI, VHI:
arithmetic from Kogan (1995), doi:10.1016/0273-1177(95)00079-T, and Gutman & Ignatov (1998),
doi:10.1080/014311698215333. All run or computed on 2026-11-28.
"""

import numpy as np
import pandas as pd
import pytest

from headwater.vegetation.cover import (
    EndValues,
    fractional_cover,
    temperature_condition,
    vegetation_condition,
    vegetation_health,
)
from headwater.vegetation.smoothing import hants, whittaker

RISE = [0.12, 0.13, 0.15, 0.14, 0.22, 0.35, 0.47, 0.30, 0.58, 0.62]
SERIES = np.array([*RISE, 0.60, 0.57, 0.41, 0.28, 0.19, 0.15, 0.13, 0.12])


def test_whittaker_is_that_of_pracma():
    smooth = whittaker(SERIES, strength=10.0)
    expected = [0.0846815314275, 0.1211792920685, 0.1612088995667, 0.2091842715726, 0.2683984357798]
    assert smooth[:5] == pytest.approx(expected, abs=1e-9)
    assert smooth[9] == pytest.approx(0.5357248432427, abs=1e-9)


def test_whittaker_leaves_out_what_has_no_weight():
    weights = np.where(np.arange(18) == 7, 0.0, 1.0)
    smooth = whittaker(SERIES, strength=10.0, weights=weights)
    expected = [0.4371087620842, 0.5011468392001, 0.5451386179773]
    assert smooth[6:9] == pytest.approx(expected, abs=1e-9)


def test_hants_drops_the_cloud_and_finds_the_curve():
    days = pd.date_range("2001-01-01", periods=23, freq="16D")
    year = pd.Series(np.r_[SERIES, 0.12, 0.12, 0.11, 0.12, 0.12], days)
    curve = hants(year, harmonics=3, tolerance=0.05, overdetermined=1, damping=0.1)
    expected = {0: 0.116025, 4: 0.239652, 7: 0.534069, 9: 0.632009, 12: 0.410807, 22: 0.117945}
    for place, value in expected.items():
        assert curve.iloc[place] == pytest.approx(value, abs=2e-6)


def test_indices_of_kogan():
    july = pd.to_datetime(["2001-07-01", "2002-07-01", "2003-07-01"])
    vci = vegetation_condition(np.array([0.2, 0.42, 0.7]), times=july)[1]
    tci = temperature_condition(np.array([282.0, 292.0, 302.0]), 20.0, times=july)[1]
    assert (vci, tci) == pytest.approx((44.0, 50.0))
    assert vegetation_health(vci, tci) == pytest.approx(47.0)


@pytest.mark.parametrize(("ndvi", "cover"), [(0.45, 0.528571428571), (0.05, 0.0), (0.8, 1.0)])
def test_dimidiate_cover(ndvi, cover):
    ends = EndValues.given({0: (0.08, 0.78)})
    assert fractional_cover(np.array([ndvi]), ends)[0] == pytest.approx(cover, abs=1e-12)
    squared = fractional_cover(np.array([ndvi]), ends, power=2.0)[0]
    assert squared == pytest.approx(cover**2, abs=1e-12)
