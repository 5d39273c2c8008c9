"""The table [restoration] of a study: units in, calendar, plan and map out; bad input by name."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

from headwater.chapters import SECTIONS, STEPS
from headwater.chapters.restoration.places import grade_of_shares
from headwater.errors import HeadwaterError, ProblemsError
from headwater.restoration import change_plan, load_plan, season_windows
from headwater.study import check, load_result, read_study, run
from headwater.study.demo import _as_dataset, _write_raster
from headwater.virtual import make_headwater

TEXT = """
[study]
name = "Plan"
[inputs.soil_moisture]
path = "soil_moisture.nc"
[inputs.temperature]
path = "temperature.nc"
[inputs.precipitation]
path = "precipitation.nc"
[inputs.elevation]
path = "dem.tif"
units = "m"
[restoration]
units = "units.geojson"
thaw = "air"
durations = { revegetation = 14, transplanting = 10 }
"""
BOX = (94.87, 36.43)


def feature(name, west, south, side=0.12, **known):
    x, y = BOX[0] + west, BOX[1] + south
    shape = shapely.box(x, y, x + side, y + side)
    known = {"grade": "heavy", "probability": 0.8} | known
    return {
        "type": "Feature",
        "properties": {"name": name, **known},
        "geometry": shapely.geometry.mapping(shape),
    }


def write_units(folder, features):
    whole = {"type": "FeatureCollection", "features": features}
    (folder / "units.geojson").write_text(json.dumps(whole))


UNITS = [
    feature("A", 0.1, 0.1),
    feature("B", 0.4, 0.1, grade="severe", soil_depth=1.0),
    feature("C", 0.1, 0.35, grade="light", pika_burrows=90),
    feature("tiny", 0.7, 0.3, side=0.004, grade="moderate", permafrost=True),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    here = make_headwater(seed=3, years=(2014, 2021), shape=(12, 20))
    for name in ("soil_moisture", "temperature", "precipitation"):
        _as_dataset(here.cube[name]).to_netcdf(folder / f"{name}.nc", engine="h5netcdf")
    _write_raster(here.dem.astype("float32"), folder / "dem.tif", missing=-9999)
    (folder / "study.toml").write_text(TEXT)
    write_units(folder, UNITS)
    return folder


@pytest.fixture(scope="module")
def results(home):
    study = read_study(home / "study.toml")
    assert check(study, STEPS) == []
    run(study, STEPS)
    return study.results


def test_the_step_writes_calendar_units_and_plan(results):
    folder = results / "restoration"
    for suffix in ("csv", "xlsx", "gpkg", "html", "geojson"):
        assert (folder / f"plan.{suffix}").stat().st_size > 200
    plan = load_plan(folder / "plan.geojson")
    assert plan.year == 2022
    assert {line.unit.name for line in plan.lines} == {"A", "B", "C", "tiny"}
    table = load_result(results, "restoration/plan").data
    sown = table[(table["unit"] == "A") & table["measure"].str.contains("Re-vegetate")]
    begin, end = (pd.Timestamp(sown[key].iloc[0]) for key in ("latest_beginning", "deadline"))
    assert (end - begin).days == 14
    assert (
        "below the control threshold of 185" in table.loc[table["unit"] == "C", "refused"].iloc[0]
    )
    calendar = load_result(results, "restoration/calendar").data
    rows = calendar[(calendar["work"] == "revegetation") & (calendar["aspect"] == "north")]
    assert (np.diff(rows["start_median"]) > 0).all()
    years = load_result(results, "restoration/dry-years").data
    assert years["year"].tolist() == list(range(2014, 2022))


def test_a_new_run_keeps_what_was_decided_on_the_plan_before(home, results, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(home, folder)
    plan = folder / "results" / "restoration" / "plan.geojson"
    change_plan(plan, ("A",), "proposed", person="zhuoma", comment="seen on the ground")
    write_units(folder, [*UNITS, feature("drawn", 0.5, 0.3)])
    run(read_study(folder / "study.toml"), STEPS)
    lines = {line.unit.name: line for line in load_plan(plan).lines}
    assert {name: line.state for name, line in lines.items() if line.state != "draft"} == {
        "A": "proposed"
    }
    assert lines["A"].history[0][3] == "seen on the ground"
    assert "drawn" in lines


def test_a_record_of_three_years_has_a_plan_without_a_calendar(home, tmp_path):
    folder = tmp_path / "short"
    shutil.copytree(home, folder, ignore=shutil.ignore_patterns("results"))
    for file in folder.glob("*.nc"):
        with xr.open_dataset(file, engine="h5netcdf") as whole:
            short = whole.sel(time=slice("2019", "2021")).load()
        short.to_netcdf(file, engine="h5netcdf")
    study = read_study(folder / "study.toml")
    assert check(study, STEPS) == []
    run(study, STEPS)
    assert load_plan(study.results / "restoration" / "plan.geojson").lines


def test_the_chapter_holds_calendar_plan_and_map(results):
    loaded = {
        name: load_result(results, f"restoration/{name}")
        for name in ("plan", "units", "calendar", "dry-years")
    }
    section = SECTIONS["restoration"](loaded, None)
    names = [block.name for block in section.blocks if hasattr(block, "name")]
    assert {"map", "priorities", "calendar", "plan"} <= set(names)
    for block in section.blocks:
        if hasattr(block, "draw"):
            assert block.draw().axes
    assert "A" in loaded["plan"]._repr_html_()
    assert len(loaded["units"].to_frame()) == 4
    assert any("first work" in text for text in section.headline)


def problem(home, tmp_path, features=None, text=TEXT):
    for path in home.iterdir():
        if path.is_file() and path.name not in ("units.geojson", "study.toml"):
            (tmp_path / path.name).symlink_to(path)
    write_units(tmp_path, UNITS if features is None else features)
    (tmp_path / "study.toml").write_text(text)
    try:
        study = read_study(tmp_path / "study.toml")
        found = check(study, STEPS)
    except ProblemsError as error:
        found = error.problems
    assert not (tmp_path / "results").exists()
    return " | ".join(str(one) for one in found)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ([feature("A", 0.1, 0.1), feature("B", 0.15, 0.1)], "overlap.*A and B"),
        ([feature("A", 0.1, 0.1), feature("A", 0.4, 0.1)], "two of one name.*'A'"),
        ([feature("", 0.1, 0.1)], "without a name"),
        ([feature("far", 40.0, 0.1)], "outside of the study grid.*far"),
        ([feature("A", 0.1, 0.1, grade="awful")], "unknown grade of the unit 'A'"),
        ([feature("A", 0.1, 0.1, grade=None)], "without a grade.*such as A"),
        ([feature("A", 0.1, 0.1, cover=35.0)], "cover of the unit 'A' that cannot be"),
        ([feature("A", 0.1, 0.1, permafrost="perhaps")], "neither yes nor no to permafrost"),
        (
            [{"type": "Feature", "properties": {"name": "line"}, "geometry": None}],
            "no area|holds no polygon|cannot be read",
        ),
    ],
)
def test_units_that_cannot_be_planned_for_are_named_by_check(home, tmp_path, features, words):
    import re

    assert re.search(words, problem(home, tmp_path, features)), problem


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('thaw = "air"\n', "", "a calendar without thaw"),
        ('thaw = "air"', 'thaw = "air"\ntemperature = "ndvi"', "a calendar without temperature"),
        ('thaw = "air"', 'thaw = "air"\nname = "title"', "does not name its units"),
        ("revegetation = 14", "revegetatoin = 14", "durations names no measure"),
        ("revegetation = 14", "revegetation = -1", "a duration below 0"),
        ('thaw = "air"', 'thaw = "air"\nbands = [4000, 3000]', "edges that rise"),
        ('thaw = "air"', 'thaw = "air"\nmeasures = "none.yaml"', "profile of measures"),
        ("units.geojson", "nowhere.geojson", "no such file"),
    ],
)
def test_what_the_study_file_gets_wrong_is_said(home, tmp_path, old, new, words):
    assert words in problem(home, tmp_path, text=TEXT.replace(old, new))


def test_a_calendar_needs_temperature_and_thaw():
    days = pd.date_range("2001-01-01", "2001-12-31")
    import xarray as xr

    one = xr.DataArray(np.zeros(len(days)), {"time": days}, "time")
    with pytest.raises(HeadwaterError, match="without temperature"):
        season_windows(None, one, one, germination=0.1)
    with pytest.raises(HeadwaterError, match="without thaw"):
        season_windows(one, None, one, germination=0.1)


def test_the_grade_of_a_unit_is_the_median_of_its_cells():
    assert grade_of_shares(np.array([0.6, 0.1, 0.1, 0.1, 0.1])) == ("none", pytest.approx(0.6))
    assert grade_of_shares(np.array([0.2, 0.2, 0.05, 0.35, 0.2]))[0] == "heavy"
