"""Grades of a plantation of pines that was cut in 2004, MODIS NDVI of 16 days, 2000-2008.

bfast's series `harvest` (Verbesselt et al. 2010, doi:10.1016/j.rse.2009.08.014). It belongs to a
package under the GPL and is not kept here: without ../shared this skips.
"""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.vegetation.cover import EndValues
from headwater.vegetation.degradation import grade_degradation, peak_of_season
from headwater.vegetation.profiles import GRADES, read_profile

PATH = Path(__file__).parents[3] / "shared" / "data" / "bfast-harvest-ndvi" / "harvest.rda"
VALUES, AT = 199, 50


@pytest.mark.skipif(not PATH.is_file(), reason="the data of a GPL package are not kept here")
def test_the_plantation_is_heavily_degraded_after_its_harvest_and_recovers():
    raw = gzip.decompress(PATH.read_bytes())
    # R's format: the length, then doubles, the greatest byte first
    assert int.from_bytes(raw[AT - 4 : AT], "big") == VALUES
    ndvi = np.frombuffer(raw[AT : AT + 8 * VALUES], ">f8").astype(np.float64)
    place = np.arange(VALUES) + 3
    begun = [pd.Timestamp(2000 + year, 1, 1) for year in place // 23]
    days = pd.DatetimeIndex(begun) + pd.to_timedelta(place % 23 * 16, "D")
    series = xr.DataArray(ndvi, {"time": days}, ("time",))
    peak = peak_of_season(series, months=(4, 5, 6, 7, 8, 9))
    fall = peak.diff("year")
    assert int(fall.idxmin("year")) == 2005
    found = {
        year: grade_degradation(
            peak,
            read_profile("gb19377-cover"),
            baseline=(2000, 2003),
            recent=(year, year),
            ends=EndValues.given({0: (0.1, 0.95)}),
            rng=np.random.default_rng(1),
        )
        for year in (2004, 2005, 2006, 2007, 2008)
    }
    heavy = GRADES.index("heavy")
    assert [int(found[year]["grade"]) >= heavy for year in found] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert float(found[2006]["damage"]) == pytest.approx(62.7, abs=0.5)
    assert float(found[2008]["damage"]) == pytest.approx(17.0, abs=0.5)
    assert float(found[2006]["probability"][heavy:].sum()) > 0.99
