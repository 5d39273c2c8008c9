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
    StudyError,
    TimeAxisError,
    UnitError,
)
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
