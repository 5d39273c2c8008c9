"""q through time on cubes of which the driver of each year is known."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.detector import q_series
from headwater.detector.search_options import Search
from headwater.errors import DataError, StudyError

SHAPE = (12, 18)


@pytest.fixture(scope="module")
def cubes() -> dict[str, xr.DataArray]:
    rng = np.random.default_rng(1)
    months = pd.date_range("2017-01-01", "2019-12-01", freq="MS")
    rain, green = (rng.normal(size=(months.size, *SHAPE)) for _ in range(2))
    first = (months.year == 2017)[:, None, None]
    theta = np.where(first, green, rain) + 0.3 * rng.normal(size=rain.shape)
    height = rng.normal(size=SHAPE)

    def cube(values, name):
        dims = ("time", "y", "x")[-values.ndim :]
        coords = {"time": months} if values.ndim == 3 else {}
        return xr.DataArray(values, coords, dims, name=name, attrs={"long_name": name})

    return {
        "theta": cube(theta, "theta"),
        "rain": cube(rain, "rain"),
        "ndvi": cube(green, "ndvi"),
        "height": cube(height, "height"),
    }


def factors(cubes) -> dict[str, xr.DataArray]:
    return {name: cube for name, cube in cubes.items() if name != "theta"}


def test_the_first_factor_changes_with_the_year(cubes, shows) -> None:
    found = q_series(cubes["theta"], factors(cubes), n_resamples=99).series
    assert found.leaders["period"].tolist() == ["2017", "2018", "2019"]
    assert found.leaders["factor"].tolist() == ["ndvi", "rain", "rain"]
    assert (found.leaders["p_lead"] < 0.05).all()
    table = found.data
    given = table.dropna(subset="q_low")
    assert len(given) >= 6
    assert (given["q_low"] < given["q_high"]).all()
    assert (table.loc[table["factor"] == "height", "p_search"] > 0.01).all()
    shows(found.plot(), table, "q_adjusted", "q_low", "q_high")


@pytest.mark.parametrize(
    ("period", "labels"),
    [
        ("season", ["2017 DJF", "2017 MAM", "2017 JJA", "2017 SON", "2018 DJF"]),
        ("month", ["2017-01", "2017-02", "2017-03"]),
        ("step", ["2017-01-01", "2017-02-01", "2017-03-01"]),
    ],
)
def test_periods_are_named_in_order(cubes, period: str, labels: list[str]) -> None:
    short = {
        name: one.isel(time=slice(0, 14)) if "time" in one.dims else one
        for name, one in cubes.items()
    }
    plan = Search(methods=("equal",), classes=(4,))
    found = q_series(short["theta"], factors(short), period, search=plan, n_resamples=99).series
    assert list(dict.fromkeys(found.data["period"]))[: len(labels)] == labels
    assert found.data.groupby("period").size().eq(3).all()


def test_periods_without_data_are_named(cubes) -> None:
    theta = cubes["theta"].copy()
    theta[:12] = np.nan
    theta[12:15, 0] = np.nan
    found = q_series(theta, factors(cubes), n_resamples=99).series
    assert found.leaders["period"].tolist() == ["2018", "2019"]
    assert any("leaves out 2017 ('theta' has no values)" in text for text in found.cautions)
    assert found.data["n"].iloc[0] == 11 * 18
    with pytest.raises(DataError, match="no period can be searched"):
        q_series(theta * np.nan, factors(cubes))
    with pytest.raises(DataError, match="response with time"):
        q_series(cubes["height"], factors(cubes))
    with pytest.raises(StudyError, match="month"):
        q_series(cubes["theta"], factors(cubes), "monthly")
