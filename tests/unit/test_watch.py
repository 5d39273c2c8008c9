"""``headwater watch``: step by step as at once, late and corrected data, stations, messages."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from headwater.alerts import list_alerts
from headwater.alerts.events import read_evidence
from headwater.alerts.rules import Rules
from headwater.alerts.standing import Condition, post_standing
from headwater.chapters import STEPS
from headwater.chapters.warning.kept import load_state
from headwater.chapters.warning.study_watch import keep_look, look_at_study
from headwater.cli import app
from headwater.errors import InputError, ResumeError, StudyError
from headwater.network import open_store
from headwater.network.ingest.geojson import read_geojson
from headwater.network.ingest.load import load_reading
from headwater.study import parse_study, run
from headwater.warning.monitor import pack_monitor

TEXT = """
[study]
name = "Watch"
seed = 3
[inputs.ndvi]
path = "ndvi.nc"
[inputs.soil_moisture]
path = "sm.nc"
[warning]
watch_from = "2018-01-01"
rehearsals = 0
"""
ROWS, COLUMNS = 6, 7
DAYS = pd.date_range("2010-01-01", "2020-12-31", freq="8D")
LAST = "2019-06-30"
NAMES = ("ndvi", "soil_moisture")


def raster(values, days, name):
    coords = {
        "time": days,
        "lat": ("lat", 40.0 - 0.1 * np.arange(ROWS), {"units": "degrees_north"}),
        "lon": ("lon", 94.0 + 0.1 * np.arange(COLUMNS), {"units": "degrees_east"}),
    }
    units = {"ndvi": "1", "soil_moisture": "m3 m-3"}[name]
    data = xr.DataArray(
        values.astype("float32"), coords, ("time", "lat", "lon"), attrs={"units": units}
    )
    return data.rename(name)


def grown():
    """Eleven years; 2020 is dry, and from July 2019 on a patch of 3 × 3 cells is grazed."""
    rng = np.random.default_rng(5)
    day = DAYS.day_of_year.to_numpy()
    wet = 0.2 + 0.05 * np.cos(2 * np.pi * (day - 200) / 365)
    weather = np.repeat(rng.normal(0, 0.02, len(DAYS) // 4 + 1), 4)[: len(DAYS)]
    weather = weather - 0.08 * (DAYS.year == 2020) * (abs(day - 200) < 60)
    theta = (wet + weather)[:, None, None] + rng.normal(0, 0.004, (len(DAYS), ROWS, COLUMNS))
    green = 0.3 + 0.25 * np.cos(2 * np.pi * (day - 200) / 365)[:, None, None]
    green = green + 1.2 * (theta - wet[:, None, None]) + rng.normal(0, 0.02, theta.shape)
    green[DAYS >= "2019-07-08", 2:5, 3:6] -= 0.14
    green[:, 0, 0] = np.nan
    return {"ndvi": green, "soil_moisture": theta}


class Case:
    """A study whose grids end in June 2019, and a folder that later rasters are put into."""

    def __init__(self, home, values):
        self.home, self.values, self.folder = home, values, home / "incoming"
        (home / "study.toml").write_text(TEXT)
        self.study = parse_study(TEXT, home / "study.toml")
        for name in NAMES:
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def put(self, *at, shift=0.0):
        for name in NAMES:
            data = raster(self.values[name][list(at)] + shift, DAYS[list(at)], name)
            part = self.folder / f".{name}.part"
            data.to_netcdf(part, engine="h5netcdf")
            part.replace(self.folder / name / f"{name}_{DAYS[at[0]]:%Y%m%d}.nc")

    def look(self, today="2021-06-01", keep=True):
        found = look_at_study(self.study, self.folder, np.datetime64(today, "D"))
        if keep:
            keep_look(self.study, found)
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study with its grids computed, whose watch has begun."""
    home, values = tmp_path_factory.mktemp("watch"), grown()
    early = DAYS <= LAST
    for name, path in zip(NAMES, ("ndvi.nc", "sm.nc"), strict=True):
        raster(values[name][early], DAYS[early], name).to_netcdf(home / path, engine="h5netcdf")
    run(parse_study(TEXT, home / "study.toml"), STEPS, until="grids")
    assert Case(home, values).look().how == "begun"
    return home, values


@pytest.fixture
def case(made, tmp_path):
    import shutil

    home, values = made
    shutil.copytree(home, tmp_path / "w")
    return Case(tmp_path / "w", values)


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """The state after all rasters, taken in at once, from the history on."""
    import shutil

    home, values = made
    folder = tmp_path_factory.mktemp("once") / "w"
    shutil.copytree(home, folder)
    (folder / "results/watch/watch.json").unlink()
    case = Case(folder, values)
    case.put(*LATE)
    return case.look()


LATE = range(int(np.flatnonzero(DAYS > LAST)[0]), len(DAYS))


def assert_same(one, two):
    for name in ("now", "checkpoint"):
        begins = name == "checkpoint"
        a, b = (pack_monitor(getattr(s, name), begins_season=begins) for s in (one, two))
        for kind in ("history", "moving"):
            for key, value in getattr(a, kind).items():
                np.testing.assert_array_equal(value, getattr(b, kind)[key], err_msg=f"{name} {key}")
        assert (a.last, a.season) == (b.last, b.season)
    np.testing.assert_array_equal(one.drought, two.drought)
    assert one.drought_day == two.drought_day


def test_the_patch_is_found_and_the_drought_is_not_taken_for_it(whole):
    (loss,) = [one for one in whole.standing if one.target != "drought"]
    assert loss.rung == "confirmed"
    cells = whole.state.alerts[0].cells
    inside = np.zeros((ROWS, COLUMNS), bool)
    inside[2:5, 3:6] = True
    assert set(np.flatnonzero(inside)) <= set(cells.tolist())
    assert len(cells) <= 11
    assert loss.detail["observed"] < loss.detail["expected"] - 0.08
    assert len(loss.detail["outline"]) >= 4
    assert "confirmed" in loss.headline
    assert "确认" in loss.headline_zh


def test_step_by_step_is_the_same_to_the_bit_as_at_once(case, whole):
    hows, rungs, dry = [], [], []
    for first in range(LATE.start, LATE.stop, 5):
        these = range(first, min(first + 5, LATE.stop))
        case.put(*these)
        found = case.look(str(DAYS[these[-1]] + pd.Timedelta(days=8))[:10])
        hows.append(found.how)
        rungs += [one.rung for one in found.standing if one.target != "drought"]
        dry.append(any(one.target == "drought" for one in found.standing))
    assert_same(case.look().state, whole.state)
    assert "on" in hows
    assert set(hows) <= {"on", "nothing new", "again from the season"}
    assert list(dict.fromkeys(rungs))[-2:] == ["warning", "confirmed"]
    assert any(dry)
    assert not dry[-1]
    kept = sum(path.stat().st_size for path in (case.home / "results/watch").glob("*.npz"))
    heads = 26 * 300  # of the archive's entries, whatever the number of cells
    assert kept - heads <= 100 * ROWS * COLUMNS


def test_late_and_corrected_rasters_come_to_the_same_state(case, whole):
    late = [at for at in LATE if DAYS[at].year == 2020]
    held, wrong = late[len(late) // 2], late[len(late) // 2 + 3]
    case.put(*(at for at in LATE if at not in (held, wrong)))
    case.put(wrong, shift=-0.1)
    case.look()
    case.put(wrong)
    assert case.look().how == "again from the season"
    case.put(held)
    assert case.look().how == "again from the season"
    case.put(LATE[2])
    found = case.look()
    assert found.how == "again from the history", "older than the season's checkpoint"
    assert_same(found.state, whole.state)
    assert case.look().how == "nothing new"


def test_a_look_that_is_not_kept_changes_nothing(case):
    text = (case.home / "results/watch/watch.json").read_text()
    case.put(*LATE[:4])
    first = case.look(keep=False)
    assert (case.home / "results/watch/watch.json").read_text() == text
    second = case.look(keep=False)
    assert_same(first.state, second.state)
    assert [one.target for one in first.standing] == [one.target for one in second.standing]


def test_bad_rasters_and_folders_are_named(case, tmp_path):
    (case.folder / "ndvi" / "ndvi_20190712.tif").write_bytes(b"II*\0 half a file")
    case.put(LATE[0])
    found = case.look()
    assert len(found.problems) == 1
    assert "ndvi_20190712.tif" in found.problems[0]
    assert found.n_days == 2
    assert case.look().problems == ()
    with pytest.raises(InputError, match="without a folder for any input"):
        look_at_study(case.study, tmp_path / "none", np.datetime64("2020-01-01"))


def test_a_state_that_is_damaged_or_of_other_options_is_not_gone_on_from(case):
    home = case.home / "results/watch"
    key = json.loads((home / "watch.json").read_text())["key"]
    options = case.study.warning
    assert load_state(home, "another", options) is None
    assert load_state(home, key, options) is not None
    (home / "watch.json").write_text("{")
    with pytest.raises(ResumeError, match="cannot be read"):
        case.look()


def test_a_study_without_grids_or_table_says_what_to_do(tmp_path):
    bare = parse_study(TEXT, tmp_path / "study.toml")
    with pytest.raises(ResumeError, match="until grids"):
        look_at_study(bare, None, np.datetime64("2020-01-01"))
    none = parse_study(TEXT.partition("[warning]")[0], tmp_path / "study.toml")
    with pytest.raises(StudyError, match="no early warning"):
        look_at_study(none, None, np.datetime64("2020-01-01"))


def condition(rung="watch", target="2019-07-12-9"):
    return Condition(target, rung, "Minor", f"Loss, {rung}", "植被损失", {"cells": 9})


def test_standing_alerts_are_posted_once_whoever_comes_again(tmp_path):
    with open_store(tmp_path / "network.db") as store:

        def post(*standing, **more):
            done = post_standing(store, "watch-w", standing, Rules(), **more)
            return [(one.kind, one.key.rpartition("|")[2]) for one in done]

        assert post(condition()) == [("watch", "1")]
        assert post(condition()) == []
        assert post(condition("warning")) == [("warning", "1")]
        assert post(condition("watch")) == [], "lowered by late data: nothing is sent"
        assert post(condition("confirmed")) == [("confirmed", "1")]
        assert post(ended={"2019-07-12-9": "unknown"}) == [], "it stays open"
        assert post(ended={"2019-07-12-9": "restored"}) == [("restored", "1")]
        assert post() == []
        assert post(condition()) == [("watch", "2")], "a new event after clearing"
        kinds = [one["kind"] for one in read_evidence(store, "watch-w|2019-07-12-9|1")]
        assert kinds == ["watch", "warning", "watch", "confirmed", "restored"]
        assert [one.key[-1] for one in list_alerts(store)] == ["2"]
        other = replace(condition(), target="elsewhere")
        assert post_standing(store, "watch-v", [other], Rules())[0].kind == "watch"
        assert len(list_alerts(store)) == 2, "another study's alerts are left alone"


def network(store, values, name="soil_moisture", unit="m3 m-3"):
    """Write daily series of stations, by name."""
    lines = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [99.0 + at, 35.2]},
            "properties": {
                "station": station,
                "time": f"{day:%Y-%m-%d}T06:00Z",
                "value": float(value),
                "property": name,
                "unit": unit,
            },
        }
        for at, (station, series) in enumerate(values.items())
        for day, value in series.items()
    ]
    text = json.dumps({"type": "FeatureCollection", "features": lines}).encode()
    load_reading(read_geojson(text), store)


def test_stations_are_watched_by_the_same_code(tmp_path):
    """Two stations of five years: one grazed since 2019, the other dry in July 2020."""
    days = pd.date_range("2012-01-01", "2020-07-28", freq="4D")
    days = days[(days.month >= 5) & (days.month <= 10)]
    rng, day = np.random.default_rng(2), days.day_of_year
    wet = 0.2 + 0.03 * np.cos(2 * np.pi * (day - 200) / 365)
    dry = 0.09 * ((days >= "2020-06-20") & (days <= "2020-07-28"))
    green = 0.35 + 0.2 * np.cos(2 * np.pi * (day - 200) / 365)
    water = {
        "Grazed": pd.Series(wet + rng.normal(0, 0.012, len(days)), days),
        "Dry": pd.Series(wet + rng.normal(0, 0.012, len(days)) - dry, days),
    }
    leaves = {
        "Grazed": pd.Series(green + rng.normal(0, 0.02, len(days)), days),
        "Dry": pd.Series(green + rng.normal(0, 0.02, len(days)), days),
    }
    leaves["Grazed"][days >= "2019-06-01"] -= 0.15
    mapping = tmp_path / "network.toml"
    mapping.write_text(
        '[time]\nzone = "UTC"\n[[series]]\ncolumn = "VWC"\nthing = "A"\nproperty = '
        '"soil_moisture"\nunit = "m3 m-3"\n[warning]\nwatch_from = "2018-01-01"\n'
    )
    address = str(tmp_path / "network.db")
    with open_store(address) as store:
        network(store, water)
        network(store, leaves, "ndvi", "1")
    first = watch_cli(mapping, address, "2020-07-30")
    assert "2 stations, 2 in alert" in first
    assert "watch: Drought at Dry: soil water" in first
    assert "confirmed: Vegetation loss at Grazed" in first
    again = watch_cli(mapping, address, "2020-07-30")
    assert "watch:" not in again
    assert "confirmed:" not in again
    with open_store(address) as store:  # rain
        rain = pd.date_range("2020-08-01", "2020-08-20", freq="4D")
        network(store, {"Dry": pd.Series(0.26, rain)})
    after = watch_cli(mapping, address, "2020-08-25")
    assert "resolved: Drought at Dry" in after
    with open_store(address) as store:
        (one,) = list_alerts(store)
        assert one.headline.startswith("Vegetation loss at Grazed: confirmed")


def watch_cli(file, store, day):
    done = CliRunner().invoke(app, ["watch", str(file), "--store", store, "--day", day])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("drought_att = 10", "drought_at"),
        ("growing_season = [5, 14]", "1 to 12"),
        ("drought_at = 40", "ends before it begins"),
        ('demand = "precipitation"', "demand = 'precipitation', rain = 'precipitation'"),
        ('rain = "snow"\ndemand = "snow"', "demand = 'snow', rain = 'snow'"),
    ],
)
def test_a_table_of_a_mapping_is_checked(tmp_path, line, words):
    mapping = tmp_path / "network.toml"
    mapping.write_text(f"[warning]\n{line}\n")
    done = CliRunner().invoke(app, ["watch", str(mapping), "--store", str(tmp_path / "n.db")])
    assert done.exit_code == 2, done.output
    assert words in done.output


def test_files_without_a_watch_and_stores_without_series_say_so(tmp_path):
    mapping = tmp_path / "network.toml"
    mapping.write_text("")
    call = ["watch", str(mapping), "--store", str(tmp_path / "n.db")]
    assert "no table [warning]" in CliRunner().invoke(app, call).output
    mapping.write_text("[warning]\n")
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 4
    assert "an empty store" in done.output
    call[1] = str(tmp_path / "none.toml")
    assert "cannot read" in CliRunner().invoke(app, call).output


def test_a_series_of_unknown_unit_is_left_out_and_named(tmp_path):
    days = pd.date_range("2012-05-01", "2020-07-28", freq="8D")
    rng, mapping = np.random.default_rng(4), tmp_path / "network.toml"
    mapping.write_text('[warning]\nwatch_from = "2018-01-01"\n')
    address = str(tmp_path / "network.db")
    with open_store(address) as store:
        network(store, {one: pd.Series(rng.uniform(0.1, 0.3, len(days)), days) for one in "AB"})
        dry = pd.Series(0.05, pd.date_range("2020-06-20", "2020-07-28", freq="2D"))
        network(store, {"A": dry})
    call = ["watch", str(mapping), "--store", address, "--day", "2020-07-30"]

    def patched(station, symbol):
        unit = json.dumps({"name": symbol, "symbol": symbol, "definition": ""})
        sql = (
            "UPDATE datastreams SET unit_of_measurement = ? WHERE thing_id ="
            " (SELECT id FROM things WHERE name = ?)"
        )
        with open_store(address) as store, store.transaction() as session:
            session.execute(sql, (unit, station))

    assert "watch: Drought at A" in watch_cli(mapping, address, "2020-07-30")
    patched("A", "furlongs")
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    assert "1 stations" in done.output
    assert "resolved" not in done.output
    assert "left out: Soil moisture of A: its unit 'furlongs'" in done.output
    patched("B", "cubits")
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 4, done.output
    said = " ".join(done.output.split())
    assert "Soil moisture of A: its unit 'furlongs'" in said
    assert "Soil moisture of B: its unit 'cubits'" in said
    patched("A", "m3 m-3")
    patched("B", "m3 m-3")
    assert "2 stations, 1 in alert" in watch_cli(mapping, address, "2020-07-30")
