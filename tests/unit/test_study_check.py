"""Bad input is told before anything is computed, all of it at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters import STEPS
from headwater.errors import (
    CRSError,
    DataError,
    GridError,
    InputError,
    ProblemsError,
    StudyError,
    TimeAxisError,
    UnitError,
)
from headwater.glossary import term
from headwater.grids import open_grid
from headwater.study import check, parse_study
from headwater.study.checks import survey

DAYS = pd.date_range("2020-01-01", periods=20)


def cube(
    values: Any = None, *, units: str = "m3 m-3", time: Any = DAYS, west: float = 94.0
) -> xr.DataArray:
    """Six by eight cells of a degree and a quarter of one, in longitude and latitude."""
    shape = (len(time), 6, 8)
    field = np.random.default_rng(1).uniform(0.05, 0.4, shape) if values is None else values
    return xr.DataArray(
        np.broadcast_to(np.asarray(field, "float32"), shape),
        dims=("time", "lat", "lon"),
        coords={
            "time": time,
            "lat": ("lat", 39.875 - 0.25 * np.arange(6), {"units": "degrees_north"}),
            "lon": ("lon", west + 0.125 + 0.25 * np.arange(8), {"units": "degrees_east"}),
        },
        attrs={"units": units},
        name="v",
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    cube().to_netcdf(tmp_path / "sm.nc", engine="h5netcdf")
    return tmp_path


def problems(home: Path, more: str = "", head: str = "") -> list[Any]:
    text = f'[study]\nname = "s"\n{head}\n[inputs.soil_moisture]\npath = "sm.nc"\n{more}'
    return check(parse_study(text, home / "study.toml"), STEPS)


def save(home: Path, data: xr.DataArray, name: str = "p.nc") -> str:
    data.to_netcdf(home / name, engine="h5netcdf")
    return f'[inputs.precipitation]\npath = "{name}"\n'


def test_a_sound_study_has_no_problems(home: Path) -> None:
    more = save(home, cube(units="mm")) + "[area]\nbbox = [94.2, 38.6, 95.6, 39.7]"
    assert problems(home, more) == []


@pytest.mark.parametrize(
    ("kind", "words", "data"),
    [
        (UnitError, "furlong", cube(units="furlong")),
        (GridError, "do not overlap", cube(units="mm", west=120.0)),
        (
            TimeAxisError,
            "share no period",
            cube(units="mm", time=pd.date_range("2010-01-01", periods=20)),
        ),
        (TimeAxisError, "out of order", cube(units="mm", time=DAYS[::-1])),
        (TimeAxisError, "occurs twice", cube(units="mm", time=DAYS[[0, 1, 1, 2]])),
        (DataError, "is missing in the area and period", cube(np.nan, units="mm")),
        (DataError, "is the same everywhere", cube(3.0, units="mm")),
        (DataError, "impossible values", cube(-7.0 - np.arange(8), units="mm")),
    ],
)
def test_bad_values_are_told(home: Path, kind: type, words: str, data: xr.DataArray) -> None:
    found = problems(home, save(home, data))
    assert [type(problem) for problem in found] == [kind]
    assert words in str(found[0])
    assert found[0].do


@pytest.mark.parametrize(("calendar", "wrong"), [("noleap", False), ("360_day", True)])
def test_mixed_calendars_are_brought_together_where_dates_exist(
    home: Path, calendar: str, wrong: bool
) -> None:
    # the one leaves out 29 February, the other has a thirtieth
    data = cube(units="mm", time=np.arange(100))
    data["time"].attrs = {"units": "days since 2020-01-01", "calendar": calendar}
    data["time"].encoding = {}
    found = problems(home, save(home, data))
    assert [type(problem) for problem in found] == [InputError] * wrong
    assert all("calendar 360_day" in str(problem) for problem in found)


@pytest.mark.parametrize(
    ("results", "words"), [("sm.nc", "cannot be written"), (".", "holds other things than results")]
)
def test_a_results_folder_that_a_run_refuses_is_told(home: Path, results: str, words: str) -> None:
    (found,) = problems(home, head=f'results = "{results}"')
    assert words in str(found)


@pytest.mark.parametrize("name", ["../../x", "a/b", "C:x", ".hidden", ""])
def test_an_input_whose_name_no_file_can_have_is_told(home: Path, name: str) -> None:
    with pytest.raises(ProblemsError, match="names files of the results"):
        problems(home, f'[inputs."{name}"]\npath = "sm.nc"\nquantity = "soil_moisture"')


def test_missing_and_unreadable_files_are_told(home: Path) -> None:
    (home / "broken.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + b"0" * 100)
    more = (
        '[inputs.ndvi]\npath = "nowhere_*.nc"\n[inputs.temperature]\npath = "broken.nc"\n'
        '[area]\npath = "area.geojson"'
    )
    found = problems(home, more)
    assert [type(problem) for problem in found] == [InputError] * 3
    for words in ("area.geojson", "nowhere_*.nc", "broken.nc"):
        assert words in "\n".join(str(problem) for problem in found)


def test_a_missing_and_a_contradicting_crs_are_told(home: Path) -> None:
    bare = cube(units="mm").rename(lat="y", lon="x")
    bare["x"].attrs, bare["y"].attrs = {}, {}
    found = problems(home, save(home, bare))
    assert [type(problem) for problem in found] == [CRSError]
    assert problems(home, save(home, bare, "r.nc"), head='crs = "EPSG:4326"') == []
    sure = cube(units="mm").assign_coords(spatial_ref=0)
    sure["spatial_ref"].attrs = {"spatial_ref": "EPSG:4326"}
    sure.encoding["grid_mapping"] = "spatial_ref"
    found = problems(home, save(home, sure, "q.nc") + 'crs = "EPSG:3035"')
    assert [type(problem) for problem in found] == [CRSError]


def test_an_area_elsewhere_is_told(home: Path) -> None:
    found = problems(home, "[area]\nbbox = [10, 40, 11, 41]")
    assert [type(problem) for problem in found] == [GridError]


def test_a_dry_day_is_not_taken_for_a_constant(home: Path) -> None:
    rain = np.zeros((20, 6, 8))
    rain[3] = 2.0
    assert problems(home, save(home, cube(rain, units="mm"))) == []


def of_months(months: Any, mean: float, **attrs: Any) -> xr.DataArray:
    values = np.random.default_rng(2).uniform(0.5, 1.5, (len(months), 6, 8)) * mean
    return cube(values, units="mm", time=months).assign_attrs(attrs)


def test_amounts_that_no_land_has_are_refused(home: Path) -> None:
    months = pd.date_range("2011-01-01", periods=36, freq="MS")
    (found,) = [
        one
        for one in problems(home, save(home, of_months(months, 1.5e-5)))
        if "no land" in one.wrong
    ]
    assert isinstance(found, DataError)
    assert "a year, read as 'mm'" in found.found


def warnings_of(home: Path, data: xr.DataArray) -> str:
    save(home, data)
    text = '[study]\nname = "s"\n[inputs.precipitation]\npath = "p.nc"'
    return "\n".join(survey(parse_study(text, home / "study.toml"), STEPS).warnings)


def test_long_gaps_inside_a_series_are_named(home: Path) -> None:
    months = pd.date_range("2011-01-01", "2016-12-01", freq="MS")
    lost = (months.year == 2012) | ((months >= "2014-03-01") & (months <= "2014-12-01"))
    words = warnings_of(home, of_months(months[~lost], 30.0))
    assert "no values from 2012-01-01 to 2012-12-31, from 2014-03-01 to 2014-12-31" in words
    assert "no values" not in warnings_of(home, of_months(months[~lost][:12], 30.0))
    season = months[(months.month >= 5) & (months.month <= 9)]
    assert "no values" not in warnings_of(home, of_months(season, 30.0))


def test_days_that_begin_at_midnight_in_china_are_named(home: Path) -> None:
    days = pd.date_range("2014-12-31 16:00", periods=400)
    assert "UTC+8" in warnings_of(home, of_months(days, 2.0))
    assert "UTC+" not in warnings_of(home, of_months(days - pd.Timedelta(hours=16), 2.0))
    begins = {
        str(open_grid(home / "p.nc", term("precipitation"), stamp=key)["time"].values[0])[:13]
        for key in (None, "start")
    }
    assert begins == {"2014-12-31T00"}
    save(home, of_months(days, 2.0))
    local = open_grid(home / "p.nc", term("precipitation"), stamp="start")
    assert str(local["time"].values[0])[:13] == "2014-12-31T16"
    assert str(local["time_end"].values[0])[:13] == "2015-01-01T16"


def test_a_declared_fill_of_zero_yields_to_a_valid_range_of_amounts(home: Path) -> None:
    data = of_months(pd.date_range("2011-01-01", periods=36, freq="MS"), 30.0)
    data = data.where(np.arange(36)[:, None, None] % 6 > 0, 0.0)
    data.to_netcdf(home / "p.nc", engine="h5netcdf", encoding={"v": {"_FillValue": 0.0}})
    text = '[study]\nname = "s"\n[inputs.precipitation]\npath = "p.nc"\n'
    for key, missing in (("", True), ("valid = [0, 1000]", False)):
        found = survey(parse_study(text + key, home / "study.toml"), STEPS).inputs["precipitation"]
        assert bool(np.isnan(found[0]).all()) is missing
        assert "valid" in found.attrs["notes"]


def test_a_step_that_lacks_another_is_told(home: Path) -> None:
    found = problems(home, '[detector]\nresponse = "soil_moisture"')
    assert [type(problem) for problem in found] == [StudyError]


def test_all_problems_come_at_once(home: Path) -> None:
    more = (
        save(home, cube(np.nan, units="mm"))
        + '[inputs.ndvi]\npath = "nowhere.nc"\n'
        + f'[inputs.temperature]\npath = "{save(home, cube(units="mm"), "t.nc") and "t.nc"}"\n'
    )
    found = problems(home, more)
    assert [type(problem) for problem in found] == [InputError, UnitError, DataError]


def test_a_survey_says_what_would_be_done(home: Path) -> None:
    study = parse_study(
        '[study]\nname = "Qilian"\n[inputs.soil_moisture]\npath = "sm.nc"', home / "study.toml"
    )
    text = "\n".join(survey(study, STEPS).lines())
    assert "6 x 8 cells of 0.25 in EPSG:4326" in text
    assert "Period: 2020-01-01 to 2020-01-20" in text
    assert "soil_moisture: 6 x 8 cells, m3 m-3, 20 times" in text
