"""The step and chapter "warning" on a small study with a grazed patch and a dry year."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters import STEPS
from headwater.chapters.warning.options import WarningOptions
from headwater.chapters.warning.section import make_section
from headwater.chapters.warning.series import calendar_of
from headwater.chapters.warning.study_watch import keep_look, look_at_study
from headwater.errors import ProblemsError
from headwater.study import load_result, parse_study, run

TEXT = """
[study]
name = "Watch"
[inputs.ndvi]
path = "ndvi.nc"
[inputs.soil_moisture]
path = "sm.nc"
[inputs.precipitation]
path = "rain.nc"
[warning]
watch_from = "2018-01-01"
rehearsals = 40
"""
ROWS, COLUMNS = 8, 9
DAYS = pd.date_range("2010-01-01", "2020-12-31", freq="8D")


def save(home, name, variable, units, values, days=DAYS):
    coords = {
        "time": days,
        "lat": ("lat", 40.0 - 0.1 * np.arange(ROWS), {"units": "degrees_north"}),
        "lon": ("lon", 94.0 + 0.1 * np.arange(COLUMNS), {"units": "degrees_east"}),
    }
    data = xr.DataArray(
        values.astype("float32"), coords, ("time", "lat", "lon"), attrs={"units": units}
    )
    data.rename(variable).to_netcdf(home / name, engine="h5netcdf")


def rained(rng, days, dry):
    wet = 20 + 15 * np.cos(2 * np.pi * (days.day_of_year.to_numpy() - 200) / 365)
    rain = rng.gamma(2.0, 0.5, len(days)) * wet * np.where(days.year == dry, 0.2, 1.0)
    return rain[:, None, None] * rng.uniform(0.8, 1.2, (len(days), ROWS, COLUMNS))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Eleven years; 2019 is dry, and from July 2018 on a patch of 3 × 3 cells is grazed."""
    folder = tmp_path_factory.mktemp("watch")
    rng = np.random.default_rng(5)
    day = DAYS.day_of_year.to_numpy()
    wet = 0.2 + 0.05 * np.cos(2 * np.pi * (day - 200) / 365)
    weather = np.repeat(rng.normal(0, 0.02, len(DAYS) // 4 + 1), 4)[: len(DAYS)]
    weather = weather - 0.08 * (DAYS.year == 2019) * (abs(day - 200) < 60)
    theta = (wet + weather)[:, None, None] + rng.normal(0, 0.004, (len(DAYS), ROWS, COLUMNS))
    green = 0.3 + 0.25 * np.cos(2 * np.pi * (day - 200) / 365)[:, None, None]
    green = green + 1.2 * (theta - wet[:, None, None]) + rng.normal(0, 0.02, theta.shape)
    grazed = (DAYS >= "2018-07-01")[:, None, None] & np.zeros((ROWS, COLUMNS), bool)
    grazed[DAYS >= "2018-07-01", 2:5, 3:6] = True
    green = green - 0.12 * grazed
    green[:, 0, 0] = np.nan
    green[DAYS.year < 2017, 7, 8] = np.nan
    save(folder, "ndvi.nc", "ndvi", "1", green)
    save(folder, "sm.nc", "soil_moisture", "m3 m-3", theta)
    save(folder, "rain.nc", "precipitation", "mm", rained(rng, DAYS, dry=2019))
    study = parse_study(TEXT, folder / "study.toml")
    run(study, STEPS)
    return folder


def loaded(home, name):
    return load_result(home / "results", f"warning/{name}")


def test_the_patch_is_confirmed_and_nothing_else_stands_out(home):
    data = loaded(home, "states").data
    shown = (data["shown"].values == 1) & (data["state"].values >= 1)
    inside = np.zeros((ROWS, COLUMNS), bool)
    inside[2:5, 3:6] = True
    assert (data["state"].values[inside] == 3).all()
    assert (shown == inside).sum() >= ROWS * COLUMNS - 2
    table = loaded(home, "alerts").data
    assert len(table) == 1
    alert = table.iloc[0]
    assert alert["state"] == "confirmed"
    assert alert["first_watch"] > "2018-07-01"
    assert alert["confirmed"][:4] == "2019"
    assert -0.15 < alert["loss"] < -0.09


def test_every_cell_without_a_model_has_its_reason(home):
    data = loaded(home, "states").data
    assert data["state"].values[0, 0] == -2, "no value at all: outside, not without a model"
    assert data["state"].values[7, 8] == -1
    assert data.attrs["reasons"][data["reason"].values[7, 8]].startswith("too few")


def test_the_drought_comes_and_resolves(home):
    days = loaded(home, "drought").data["days"].mean(("y", "x"))
    assert int(days["season"].values[days.values.argmax()]) == 2019
    table = loaded(home, "timeline").data
    dry = table[(table["quantity"] == "drought") & (table["date"].dt.year == 2019)]
    assert dry["share"].max() > 0.9
    later = table[(table["quantity"] == "drought") & (table["date"] > "2020-06-01")]
    assert later["share"].iloc[-1] < 0.5
    # water explains the drought: degradation does not follow it outside the patch
    states = table[(table["quantity"] == "degradation") & (table["date"].dt.year == 2019)]
    worst = states.groupby("date")["share"].sum().max()
    assert worst < 0.25


def test_the_dry_season_is_named_by_its_rain(home):
    table = loaded(home, "rain").data.set_index("season")
    assert table.index[table["dry"]].tolist() == [2019]
    assert table.loc[2019, "p"] == pytest.approx(1 / 11)
    assert table.loc[2019, "cells_dry"] > 0.9


def test_a_watch_raises_the_drought_by_rain_as_rasters_come(home, tmp_path):
    days = pd.date_range("2021-01-01", "2021-08-31", freq="8D")
    (tmp_path / "precipitation").mkdir()
    dry = rained(np.random.default_rng(8), days, dry=2021)
    save(tmp_path, "precipitation/rain_2021.nc", "precipitation", "mm", dry, days)
    # the second driest of twelve seasons
    study = parse_study(TEXT + "dry_seasons = 0.2\n", home / "study.toml")
    found = look_at_study(study, tmp_path, np.datetime64("2021-09-02"))
    (one,) = (one for one in found.standing if one.target == "dry season")
    assert found.n_days == len(days)
    assert one.detail["seasons"] == 11
    assert one.headline.startswith("Drought by rain: ")
    keep_look(study, found)
    again = look_at_study(study, tmp_path, np.datetime64("2021-09-02"))
    assert again.state.rain == found.state.rain
    assert one.detail in [other.detail for other in again.standing]
    (home / "results/watch/watch.json").unlink()


def test_a_study_ranks_its_dry_seasons_by_rain_less_demand(home):
    months = pd.date_range("2010-01-01", "2020-12-01", freq="MS")
    thirst = 60.0 + 60.0 * (months.month.to_numpy() % 12 > 3) + 90.0 * (months.year == 2013)
    maps = np.broadcast_to(thirst[:, None, None], (len(months), ROWS, COLUMNS))
    save(home, "pet.nc", "pet", "mm month-1", maps, months)
    named = TEXT.replace("[study]", '[study]\nresults = "r5"').replace("rehearsals = 40", "")
    asked = '[inputs.potential_evapotranspiration]\npath = "pet.nc"\n[warning]\nrehearsals = 0\n'
    demand = 'demand = "potential_evapotranspiration"\n'
    study = parse_study(named.replace("[warning]\n", asked + demand), home / "s5.toml")
    run(study, STEPS)
    found = load_result(home / "r5", "warning/rain")
    table = found.data.set_index("season")
    assert table["p"].idxmin() in (2013, 2019)
    assert set(table.index[table["p"] <= 0.2]) == {2013, 2019}
    # an eighth of the sums of eight days a day, and a month's sum of demand by its days
    rain, days = xr.open_dataset(home / "rain.nc")["precipitation"].mean(("lat", "lon")), 92
    summer = rain.sel(time=slice("2013-06-01", "2013-08-31")).mean() / 8 * days
    assert table.loc[2013, "balance_mm"] == pytest.approx(float(summer) - 3 * 210, abs=60)
    with pytest.raises(ProblemsError, match="no rain to take it from"):
        run(
            parse_study(
                named.replace("[warning]\n", asked + demand).replace(
                    '[inputs.precipitation]\npath = "rain.nc"\n', ""
                ),
                home / "s6.toml",
            ),
            STEPS,
        )


def test_rain_of_too_few_years_is_refused_where_it_is_named(home):
    text = TEXT.replace("[study]", '[study]\nresults = "r4"\nperiod = ["2013-01-01", "2020-12-31"]')
    with pytest.raises(ProblemsError, match="too few years of 'precipitation'"):
        run(parse_study(text + 'rain = "precipitation"\n', home / "s4.toml"), STEPS)


def test_the_chapter_says_what_was_found(home):
    names = ("states", "timeline", "alerts", "drought", "rain", "evidence", "rehearsal")
    names = (*names, "run-length")
    results = {name: loaded(home, name) for name in names}
    section = make_section(results, None)
    assert "confirmed by a second season" in section.headline[0]
    assert "2019" in section.headline[1]
    assert "By rain, the driest growing season of 11 was 2019" in section.headline[2]
    for block in section.blocks:
        if hasattr(block, "draw"):
            assert block.draw().axes


def test_short_baselines_are_refused_before_anything_is_computed(home):
    text = TEXT.replace("2018-01-01", "2011-01-01")
    with pytest.raises(ProblemsError, match="baselines too short"):
        run(
            parse_study(text.replace("[study]", '[study]\nresults = "r2"'), home / "s2.toml"), STEPS
        )


def test_a_season_without_data_is_refused(home):
    text = TEXT.replace("2018-01-01", "2020-12-01").replace("[study]", '[study]\nresults = "r3"')
    with pytest.raises(ProblemsError, match="no growing season to watch"):
        run(parse_study(text, home / "s3.toml"), STEPS)


def test_names_and_hysteresis_are_checked():
    with pytest.raises(ProblemsError, match="names no input"):
        parse_study(TEXT.replace("[warning]", '[warning]\nwater = "rain"'))
    with pytest.raises(ProblemsError, match="ends before it begins"):
        parse_study(TEXT + "drought_ends = 10\n")


def test_a_season_over_new_year_is_one_season():
    calendar = calendar_of((11, 3), WarningOptions())
    assert calendar.shift == 304
    assert calendar.options.season == (0, 150)


def test_a_hindcast_says_what_would_have_been_warned(home, capsys, monkeypatch):
    from typer.testing import CliRunner

    from headwater.cli import app

    (home / "study.toml").write_text(TEXT)
    done = CliRunner().invoke(
        app, ["hindcast", str(home / "study.toml"), "--from", "2017-01-01", "--cells", "40"]
    )
    assert done.exit_code == 0, done.output
    for word in ("Alerts", "confirmed", "Planted losses", "Seasons between false alarms"):
        assert word in done.output
    assert (home / "results" / "hindcast" / "rehearsal.csv").is_file()
    data = load_result(home / "results", "hindcast/states").data
    assert data.attrs["first_day"] == "2017-01-01"


def test_a_hindcast_without_grids_says_what_to_run(home):
    from typer.testing import CliRunner

    from headwater.cli import app

    (home / "other.toml").write_text(TEXT.replace("[study]", '[study]\nresults = "none"'))
    done = CliRunner().invoke(app, ["hindcast", str(home / "other.toml")])
    assert done.exit_code == 5
    assert "--until grids" in done.output
