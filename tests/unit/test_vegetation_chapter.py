"""The study table [vegetation]: what it computes, what it leaves out, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.signal import lfilter

from headwater.chapters import SECTIONS, STEPS
from headwater.chapters.vegetation.capacity import _leave_out_misfits
from headwater.chapters.vegetation.run import Notes
from headwater.errors import HeadwaterError
from headwater.report import write_report
from headwater.study import check, load_result, read_study, run
from headwater.study.results_io import result_class
from headwater.vegetation.response import fit_response
from headwater.vegetation.steps import level_months, mean_steps
from headwater.virtual import make_headwater

HEAD = """
[study]
name = "Plants"
seed = 3

[inputs.ndvi]
path = "ndvi.nc"

[inputs.soil_moisture]
path = "soil_moisture.nc"

[inputs.precipitation]
path = "precipitation.nc"

[inputs.temperature]
path = "temperature.nc"

[inputs.elevation]
path = "elevation.nc"

[inputs.vegetation]
path = "vegetation.nc"

"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six years of a small headwater, where a corner has lost half of its cover."""
    home = tmp_path_factory.mktemp("plants")
    here = make_headwater(seed=2, years=(2014, 2019), shape=(8, 12), resolution=0.4)
    cube = here.cube
    late = cube["time"].dt.year.values >= 2018
    corner = (slice(2, 5), slice(4, 7))
    own = cube["ndvi"].values[(late, *corner)]
    cube["ndvi"].values[(late, *corner)] = 0.2 + 0.5 * (own - 0.2)
    for name in ("ndvi", "soil_moisture", "precipitation", "temperature"):
        cube[[name]].to_netcdf(home / f"{name}.nc", engine="h5netcdf")
    coarse = here.dem.coarsen(y=10, x=10).mean()
    coarse = coarse.assign_coords(y=cube["y"].values, x=cube["x"].values)
    coarse.rename("elevation").to_dataset().to_netcdf(home / "elevation.nc", engine="h5netcdf")
    kinds = here.vegetation.astype(float).rename("vegetation")
    kinds.to_dataset().to_netcdf(home / "vegetation.nc", engine="h5netcdf")
    return home


def study_with(home: Path, table: str, name: str = "study.toml") -> Path:
    path = home / name
    path.write_text(HEAD.replace('"Plants"', f'"{name}"\nresults = "results-{name}"') + table)
    return path


@pytest.fixture(scope="module")
def done(files: Path) -> Path:
    study = read_study(study_with(files, "[vegetation]\n"), STEPS)
    assert check(study, STEPS) == []
    run(study, STEPS)
    return study.results


def test_all_results_are_there_and_come_back_as_they_were_saved(done: Path) -> None:
    names = {path.stem for path in (done / "vegetation").glob("*.json")} - {"step"}
    assert names >= {
        *("cover", "season", "warm-season", "bands", "end-values", "notes"),
        *("response", "curves", "capacity", "forecast", "grade"),
    }
    for name in names:
        result = load_result(done, f"vegetation/{name}")
        assert result_class(type(result).__name__) is type(result)
        assert result.to_frame() is not None
        assert "<" in result._repr_html_()


def test_the_corner_that_lost_half_is_graded_heavy_and_only_it(done: Path) -> None:
    data = load_result(done, "vegetation/grade").data
    grade, certain = data["grade"].values, data["certain"].values
    corner = np.zeros(grade.shape, bool)
    corner[2:5, 4:7] = True
    known = grade >= 0
    assert known[corner].all()
    assert (grade[corner] == 3).mean() > 0.8
    assert (grade[known & ~corner] >= 3).mean() < 0.05
    assert (certain[corner] == 1).all()
    total = data["probability"].sum("grade_name", skipna=False).values[known]
    np.testing.assert_allclose(total, 1.0)


def test_seasons_come_later_higher_up_and_follow_warmth(done: Path) -> None:
    bands = load_result(done, "vegetation/bands").data
    mean = bands.groupby("zone", sort=False)[["start", "warm_start", "end"]].mean()
    assert mean["start"].iloc[-1] > mean["start"].iloc[0]
    assert (mean["end"] > mean["start"]).all()
    assert (mean["warm_start"].dropna() > 60).all()


def test_capacity_lies_in_its_interval_and_present_cover_stands_next_to_it(done: Path) -> None:
    data = load_result(done, "vegetation/capacity").data
    known = np.isfinite(data["capacity"].values)
    assert known.any()
    for low, high in (("low", "capacity"), ("capacity", "high")):
        assert (data[low].values[known] <= data[high].values[known] + 1e-12).all()
    assert np.isfinite(data["present"].values[known]).all()


def test_the_report_has_the_chapter(done: Path) -> None:
    study = read_study(done.parent / "study.toml", STEPS)
    own = {"vegetation": SECTIONS["vegetation"]}
    page = write_report(study.results, study, own, dpi=40).read_text(encoding="utf-8")
    for words in ("Vegetation", "Soil water explains", "Water carries", "Degradation by GB 19377"):
        assert words in page


def test_a_second_run_keeps_the_step(done: Path) -> None:
    study = read_study(done.parent / "study.toml", STEPS)
    assert all(record.skipped for record in run(study, STEPS))


def test_two_years_give_cover_and_seasons_and_say_what_they_do_not(files: Path) -> None:
    path = study_with(files, "[vegetation]\n", "short.toml")
    path.write_text(path.read_text().replace("seed = 3", 'period = ["2014-01-01", "2015-12-31"]'))
    study = read_study(path, STEPS)
    run(study, STEPS)
    notes = load_result(study.results, "vegetation/notes").data
    said = " ".join(notes["what"])
    for words in ("too few for a baseline", "too few for a response", "too few whole years"):
        assert words in said
    assert not (study.results / "vegetation" / "grade.json").exists()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[vegetation]\nbaseline = [1990, 1999]\n", "too few years of the record"),
        ("[vegetation]\nbaseline = [2014, 2018]\nrecent = [2018, 2019]\n", "overlap"),
        ('[vegetation]\nend_values = { "1" = [0.1, 0.8] }\n', "types without end values"),
        ('[vegetation]\nprofile = "DB63/T 2443-2025"\n', "no thresholds of DB63/T 2443-2025"),
    ],
)
def test_check_reports_what_would_stop_it(files: Path, table: str, words: str) -> None:
    study = read_study(study_with(files, table, "wrong.toml"), STEPS)
    assert any(words in str(problem) for problem in check(study, STEPS))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[vegetation]\nndvi = "nvdi"\n', "ndvi"),
        ('[vegetation]\nend_values = { "1" = [0.8, 0.1] }\n', "bare, full"),
        ("[vegetation]\nmonths = [13]\n", "does not exist"),
    ],
)
def test_a_study_file_that_cannot_be_right_is_refused(files: Path, table: str, words: str) -> None:
    with pytest.raises(HeadwaterError, match=words):
        read_study(study_with(files, table, "refused.toml"), STEPS)


def test_ndvi_of_one_season_or_one_map_is_refused_by_check(files: Path, tmp_path: Path) -> None:
    with xr.open_dataset(files / "ndvi.nc", engine="h5netcdf") as cube:
        cube.isel(time=slice(0, 200)).load().to_netcdf(tmp_path / "ndvi.nc", engine="h5netcdf")
    text = '[study]\nname = "Short"\n[inputs.ndvi]\npath = "ndvi.nc"\n[vegetation]\n'
    (tmp_path / "study.toml").write_text(text)
    study = read_study(tmp_path / "study.toml", STEPS)
    assert any("whole season" in str(problem) for problem in check(study, STEPS))


def test_forecasts_name_their_zones_and_say_where_they_have_no_skill(done: Path) -> None:
    table = load_result(done, "vegetation/forecast").data
    assert set(table["quantity"]) == {"water", "cover"}
    assert sorted(set(table["lead"])) == list(range(1, 9))
    assert (table["years"] == 6).all()
    known = table.dropna(subset=["median"])
    assert len(known) > 0.5 * len(table)
    assert (known["low"] <= known["median"]).all()
    assert (known["median"] <= known["high"]).all()
    assert known["median"].between(0, 1).all()


def test_blocks_that_the_bucket_does_not_explain_get_no_capacity_and_are_counted() -> None:
    found = {name: np.array([0.5, 0.6, 0.7]) for name in ("capacity", "low", "over")}
    found["r2"] = np.array([0.9, 0.1, np.nan])
    found["present"] = np.array([0.4, 0.4, 0.4])
    notes = Notes()
    _leave_out_misfits(found, notes)
    np.testing.assert_array_equal(np.isnan(found["capacity"]), [False, True, False])
    assert found["present"].tolist() == [0.4, 0.4, 0.4]
    assert notes.rows[0][1:] == (1, "blocks")


def test_composites_keep_their_dates_when_the_response_is_fitted(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    days = pd.date_range("2001-01-01", "2009-12-31")
    at = {"y": [36.0, 35.9, 35.8], "x": [94.0, 94.1, 94.2]}
    theta = 0.2 + 0.03 * lfilter([0.25], [1, -0.97], rng.normal(0, 1, (days.size, 9)), axis=0)
    growth = 0.5 * np.exp(-(((days.day_of_year.to_numpy() - 205) / 45) ** 2))[:, None]
    felt = lfilter([0.05], [1, -0.95], theta - 0.2, axis=0)
    green = 0.15 + growth * (1 + 5 * felt) + rng.normal(0, 0.015, theta.shape)
    seen = np.flatnonzero((days.day_of_year - 1) % 16 == 0)
    for name, values, own in (
        ("ndvi", green, seen),
        ("soil_moisture", theta, np.arange(days.size)),
    ):
        cube = xr.DataArray(values[own].reshape(-1, 3, 3), {"time": days[own], **at}, name=name)
        cube.assign_attrs(units="1").to_dataset().to_netcdf(tmp_path / f"{name}.nc")
    head = HEAD[: HEAD.index("[inputs.precipitation]")].replace('.nc"', '.nc"\ncrs = "EPSG:4326"')
    path = tmp_path / "study.toml"
    path.write_text(head + "[vegetation]\nend_values = { 0 = [0.1, 0.8] }\n")
    study = read_study(path, STEPS)
    run(study, STEPS)
    share = float(load_result(study.results, "vegetation/response").data["share"].median())
    cells = ("time", "cell")
    # a composite without bounds stands for the 16 days from its date
    middles = {"time": days + pd.Timedelta(days=8)}
    cover = xr.DataArray((green - 0.1) / 0.7, middles, cells)[seen]
    water = mean_steps(xr.DataArray(theta, {"time": days}, cells), 5, stamp="end").astype(float)
    first, last = study.growing_season
    fit = fit_response(level_months(cover), water, months=range(first, last + 1))
    assert share == pytest.approx(float(fit.maps["share"].median()), abs=0.02)
