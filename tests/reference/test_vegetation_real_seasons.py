"""Seasons on real series with published or observed dates; one set is not kept here, and skips.

golmud-xidatan-frost (Luo et al., doi:10.5194/essd-2020-106): starts and thaw derived from the daily
series by another hand. phenocam-grass-onset (Richardson et al. 2018, doi:10.1038/sdata.2018.28):
starts seen by cameras at 18 grasslands; the rule of 5 days at 5 degC has r 0.82 over all years, and
lags by 35 d with an sd of 15.9 d where it starts after day 30.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.vegetation.phenology import temperature_season, thaw_season

ROOT = Path(__file__).parents[1]
GOLMUD = ROOT / "data" / "real" / "golmud-xidatan-frost"
# part of a package under the AGPL, and so not kept here
PHENOCAM = ROOT.parents[1] / "shared" / "data" / "phenocam-grass-onset"


def test_starts_and_thaw_at_golmud_are_those_of_another_hand():
    daily = pd.read_csv(GOLMUD / "daily.csv.gz", parse_dates=["date"]).query("site == 'Golmud'")
    other = pd.read_csv(GOLMUD / "derived_check.csv").query("site == 'Golmud'").set_index("year")
    series = daily.set_index("date").asfreq("D")
    # dates of the other hand count missing days as gaps too
    start = temperature_season(series["tair_c"])["start"].to_series()
    thaw = thaw_season(series["tground_c"], margin=0.0)["start"].to_series()
    both = start.index.intersection(other.index)
    gap = (start[both] - other.loc[both, "gs_start_5c5d_doy"]).dropna()
    assert len(gap) > 55
    assert (gap == 0).mean() > 0.95
    thawed = (thaw[both] - other.loc[both, "ground_thaw_5d_doy"]).dropna()
    assert (thawed == 0).mean() > 0.95
    years = start[both].dropna()
    slope = 10.0 * np.polyfit(years.index, years, 1)[0]
    assert slope == pytest.approx(-2.8, abs=0.2)


@pytest.mark.skipif(not PHENOCAM.is_dir(), reason="the data of an AGPL package are not kept here")
def test_warmth_starts_cold_grasslands_and_not_those_that_wait_for_rain():
    seen = pd.read_csv(PHENOCAM / "onset.csv")
    climate = pd.read_csv(PHENOCAM / "climate_daily.csv.gz")
    rows = []
    for (site, year), one in climate[climate["doy"] > 0].groupby(["site", "year"]):
        days = pd.to_datetime(f"{year}-01-01") + pd.to_timedelta(one["doy"] - 1, unit="D")
        series = pd.Series(one["tmean_c"].to_numpy(), pd.DatetimeIndex(days)).asfreq("D")
        season = temperature_season(series)
        rows.append((site, year, float(season["start"][0]), int(season["reason"][0])))
    found = pd.DataFrame(rows, columns=["site", "year", "start", "reason"])
    both = seen.merge(found, on=["site", "year"])
    cold = both[both["start"] > 30]
    lag = cold["sos_doy"] - cold["start"]
    assert len(cold) == pytest.approx(58, abs=1)
    assert np.corrcoef(cold["sos_doy"], cold["start"])[0, 1] == pytest.approx(0.77, abs=0.02)
    assert lag.mean() == pytest.approx(35.0, abs=1.0)
    assert lag.std() == pytest.approx(15.9, abs=0.5)
    rainy = both[both["site"].isin(["tonzi", "vaira", "jasperridge", "sherman"])]
    # where it is never cold, warmth gives no start, and says why
    assert (rainy["reason"] == 7).mean() > 0.5
