"""The step "downscaling" on a small virtual headwater: what it writes, and that it is true."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters import STEPS
from headwater.chapters.downscaling.section import make_section
from headwater.errors import DataError, GridError, ProblemsError, StudyError
from headwater.settings import Settings
from headwater.study import load_result, parse_study, read_study, run
from headwater.study.checks import survey
from headwater.study.demo import write_satellite_demo

QUICK = "trees = 10\nrows = 800\nlearners = ['forest']\nfold_count = 3\n"
QUIET = Settings(threads=1)


def small(folder: Path, keys: str = "", days: slice = slice(100, 300), stations: int = 0) -> Path:
    path = write_satellite_demo(folder, seed=3, shape=(16, 28), days=days, stations=stations)
    path.write_text(path.read_text() + QUICK + keys)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole study, with stations and twins and an interval of its own."""
    keys = 'stations = "stations.csv"\ninterval = 0.8\nlongest_gap = 5\n\n[variation]\n'
    path = small(tmp_path_factory.mktemp("finer"), keys, stations=14)
    run(read_study(path), STEPS, settings=QUIET)
    return path.parent


def product(folder: Path) -> xr.Dataset:
    return xr.open_zarr(
        folder / "results" / "downscaling" / "soil_moisture.zarr", decode_coords="all"
    ).load()


def problems(path: Path) -> list[str]:
    return [str(problem) for problem in survey(read_study(path), STEPS).problems]


def test_the_product_is_nearer_the_truth_than_the_coarse_input(done: Path) -> None:
    truth = xr.open_dataset(done / "truth.nc", engine="h5netcdf")["truth"].values
    coarse = xr.open_zarr(done / "results" / "grids" / "soil_moisture.zarr")["soil_moisture"].values
    finer = product(done)["soil_moisture"].values
    both = np.isfinite(truth) & np.isfinite(coarse) & np.isfinite(finer)
    assert both.sum() > 10_000

    def error(values: np.ndarray) -> float:
        return float(np.sqrt(np.mean((values[both] - truth[both]) ** 2)))

    assert error(finer) < 0.9 * error(coarse)


def test_layers_are_whole_and_missing_where_nothing_was_seen(done: Path) -> None:
    cube = product(done)
    mean, away = cube["soil_moisture"].values, cube["days_to_observation"].values
    known = np.isfinite(mean)
    assert 0.3 < known.mean() < 1.0
    assert not known[(away < 0) | (away > 5)].any()
    for part in ("sd", "low", "high"):
        assert np.array_equal(np.isfinite(cube[f"soil_moisture_{part}"].values), known)
    low, high = cube["soil_moisture_low"].values[known], cube["soil_moisture_high"].values[known]
    assert (low >= 0).all()
    assert (low <= mean[known]).all()
    assert (mean[known] <= high).all()
    assert cube["soil_moisture"].attrs["units"] == "m3 m-3"
    assert "80%" in cube["soil_moisture_low"].attrs["long_name"]
    assert cube.attrs["Conventions"] == "CF-1.11"
    assert not list((done / "results" / "downscaling").glob(".*.npy"))


def test_the_interval_of_the_study_file_reaches_the_calibration(done: Path) -> None:
    truth = xr.open_dataset(done / "truth.nc", engine="h5netcdf")["truth"].values
    cube = product(done)
    low, high = (cube[f"soil_moisture_{end}"].values for end in ("low", "high"))
    both = np.isfinite(truth) & np.isfinite(low)
    inside = ((low <= truth) & (truth <= high))[both].mean()
    told = load_result(done / "results", "downscaling/intervals")
    assert "80%" in told.method
    # one small world: its own share scatters about the nominal one
    assert 0.65 < inside < 0.95


def test_maps_are_the_means_of_the_days_with_a_value(done: Path) -> None:
    maps, cube = load_result(done / "results", "downscaling/maps").data, product(done)
    n = np.isfinite(cube["soil_moisture"].values).sum(axis=0)
    assert np.array_equal(maps["n"].values, n)
    seen = n > 0
    total = np.nansum(cube["soil_moisture"].values.astype(float), axis=0)
    np.testing.assert_allclose(maps["mean"].values[seen], (total / n.clip(1))[seen], rtol=1e-5)
    assert np.isnan(maps["mean"].values[~seen]).all()
    square = np.nansum(cube["soil_moisture_sd"].values.astype(float) ** 2, axis=0)
    rms = np.sqrt(square / n.clip(1))
    np.testing.assert_allclose(maps["error"].values[seen], rms[seen], rtol=1e-5)


def test_later_steps_take_the_finer_soil_moisture(done: Path) -> None:
    assert (done / "results" / "variation").is_dir()
    shape = product(done)["soil_moisture"].shape[1:]
    assert shape == (16, 28)
    stored = next((done / "results" / "variation").glob("*.nc"))
    with xr.open_dataset(stored, engine="h5netcdf") as maps:
        assert (maps.sizes["y"], maps.sizes["x"]) == shape


def test_stations_are_scored_against_a_product_that_did_not_have_them(done: Path) -> None:
    table = load_result(done / "results", "downscaling/stations").data
    whole = table[(table["grouping"] == "all") & (table["series"] == "raw")]
    rmsd = whole.set_index("measure").loc["rmsd"]
    assert rmsd["n"] > 500
    assert rmsd["low"] <= rmsd["value"] <= rmsd["high"]
    # the product itself has them as points, and follows them more closely
    stations = pd.read_csv(done / "stations.csv", parse_dates=["time"])
    cube = product(done)["soil_moisture"]
    at = {
        key: xr.DataArray(stations[name])
        for key, name in (("time", "time"), ("y", "latitude"), ("x", "longitude"))
    }
    off = cube.sel(at, method="nearest").values - stations["soil_moisture"].to_numpy()
    assert np.sqrt(np.nanmean(off**2)) < rmsd["value"]


def test_the_chapter_has_scores_of_twins_and_stations(done: Path) -> None:
    folder = done / "results" / "downscaling"
    names = [path.stem for path in folder.glob("*.json") if path.stem != "step"]
    results = {name: load_result(done / "results", f"downscaling/{name}") for name in names}
    chapter = make_section(results, None)
    blocks = {getattr(block, "name", "") for block in chapter.blocks}
    assert {"mean", "error", "observed", "twin", "importance", "stations", "closure"} <= blocks
    assert any("Expect this" in line for line in chapter.headline)
    assert any("stations" in line for line in chapter.headline)
    assert any("Twins have no stations" in text for text in results["maps"].cautions)


@pytest.mark.parametrize("residual", ["exact", "bilinear", "none"])
def test_other_ways_to_spread_residuals(tmp_path: Path, residual: str) -> None:
    keys = f'residual = "{residual}"\ncoupling = "none"\n'
    path = small(tmp_path, keys + ("twins = 0\n" if residual == "exact" else ""), slice(130, 230))
    run(read_study(path), STEPS, settings=QUIET)
    cube = product(tmp_path)
    known = np.isfinite(cube["soil_moisture"].values)
    assert known.mean() > 0.3
    results = tmp_path / "results"
    closure = load_result(results, "downscaling/closure").data.iloc[0]
    if residual == "exact":
        assert closure["rmse"] < 1e-3
        assert "soil_moisture_sd" not in cube
    else:
        # the field knows no error of its own: the twins' is that of both
        sd = cube["soil_moisture_sd"].values
        assert np.array_equal(np.isfinite(sd), known)
        assert np.nanmin(sd) > 0.005


def test_a_pixel_that_a_predictor_never_saw_is_missing_and_told(tmp_path: Path) -> None:
    path = small(tmp_path, "twins = 0\n", slice(130, 230))
    with xr.open_dataset(tmp_path / "albedo.nc", engine="h5netcdf", decode_coords="all") as file:
        cube = file.load()
    cube["albedo"][:, :, :7] = np.nan
    cube.to_netcdf(tmp_path / "albedo.nc", engine="h5netcdf")
    run(read_study(path), STEPS, settings=QUIET)
    result = load_result(tmp_path / "results", "downscaling/maps")
    assert any("does not cover 25% of the area" in text for text in result.cautions)
    maps = result.data
    assert np.isnan(maps["mean"].values[:, :7]).all()
    assert (maps["n"].values[:, :7] == 0).all()
    assert np.isfinite(maps["mean"].values[:, 10:]).any()


def test_cells_with_open_water_are_flagged_and_counted(tmp_path: Path) -> None:
    lake = '[inputs.lake]\npath = "lake.nc"\nunits = "1"\nlong_name = "Open water"\n'
    path = small(tmp_path, f'twins = 0\nwater = "lake"\n{lake}', slice(130, 190))
    with xr.open_dataset(tmp_path / "albedo.nc", engine="h5netcdf", decode_coords="all") as file:
        cube = file.load()
    lake = cube["albedo"].isel(time=0, drop=True) * 0.0
    lake[:, :7] = 1.0
    lake.attrs = {"units": "1", "long_name": "Share of open water", "grid_mapping": "spatial_ref"}
    lake.to_dataset(name="lake").to_netcdf(tmp_path / "lake.nc", engine="h5netcdf")
    run(read_study(path), STEPS, settings=QUIET)
    reason = load_result(tmp_path / "results", "downscaling/maps").data["reason"].values
    counted = load_result(tmp_path / "results", "downscaling/coverage").data
    counted = counted.set_index("reason")["pixels"]
    assert (reason[:, :6] == 2).mean() > 0.5
    assert (reason[:, 14:] != 2).all()
    assert counted["value water in cell"] == (reason == 2).sum()
    assert counted.sum() == (reason != 3).sum()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_whatever_the_threads(tmp_path: Path) -> None:
    path = small(tmp_path, "", slice(130, 190))
    study = read_study(path)
    cubes = []
    for threads in (1, 2):
        run(study, STEPS, settings=replace(QUIET, threads=threads), fresh=True)
        cubes.append(product(tmp_path))
    xr.testing.assert_identical(*cubes)


def test_a_station_file_that_changes_is_computed_anew(tmp_path: Path) -> None:
    keys = 'stations = "stations.csv"\ntwins = 0\n'
    path = small(tmp_path, keys, slice(130, 200), stations=4)
    assert [one.skipped for one in run(read_study(path), STEPS, settings=QUIET)] == [False, False]
    assert [one.skipped for one in run(read_study(path), STEPS, settings=QUIET)] == [True, True]
    table = pd.read_csv(tmp_path / "stations.csv")
    table.iloc[:-1].to_csv(tmp_path / "stations.csv", index=False)
    assert [one.skipped for one in run(read_study(path), STEPS, settings=QUIET)] == [True, False]


def test_a_study_without_downscaling_needs_none() -> None:
    text = '[study]\nname = "x"\n[inputs.ndvi]\npath = "ndvi.nc"\n[variation]\n'
    assert not [p for p in survey(parse_study(text), STEPS).problems if "[downscaling]" in str(p)]


def test_memory_is_refused_by_the_check_with_the_estimate(tmp_path: Path) -> None:
    path = small(tmp_path, "memory_mb = 5\n")
    (told,) = problems(path)
    assert "more memory than allowed" in told
    assert "about " in told
    assert "MB" in told
    with pytest.raises(ProblemsError, match="more memory than allowed"):
        run(read_study(path), STEPS, settings=QUIET)
    assert not (tmp_path / "results" / "grids").exists()
    # where the grids are there already, the step itself refuses before it trains
    path.write_text(path.read_text().replace("memory_mb = 5", "memory_mb = 1500"))
    run(read_study(path), STEPS, settings=QUIET, until="grids")
    path.write_text(path.read_text().replace("memory_mb = 1500", "memory_mb = 5"))
    with pytest.raises(DataError, match="more memory than allowed"):
        run(read_study(path), STEPS, settings=QUIET)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("level = 7\n", "the wavelet level does not fit the series"),
        ('wavelet = "db99"\n', "unknown mother wavelet"),
        ('stations = "none.csv"\n', "cannot be read as a table of stations"),
        ('noisy = ["elevation"]\n', "only predictors that change in time can be noisy"),
        ('predictors = ["elevation"]\n', "no predictor changes in time"),
        ('predictors = ["aspect", "ndvi"]\n', "needs the slope next to the aspect"),
        ('noisy = ["ndvii"]\n', "Did you mean 'ndvi'"),
        ('of = "moisture"\n', "names an input that the study does not have"),
        ("min_covered = 1.0\n[area]\nbbox = [95.0, 37.0, 95.12, 37.12]\n", "no coarse cell lies"),
    ],
)
def test_the_check_tells_what_would_stop_it(tmp_path: Path, keys: str, words: str) -> None:
    path = small(tmp_path, keys, slice(130, 200))
    assert any(words in told for told in problems(path)), problems(path)


def test_one_twin_is_refused(tmp_path: Path) -> None:
    with pytest.raises((StudyError, ProblemsError), match="one twin does not show"):
        parse_study('[study]\nname = "x"\n[downscaling]\ntwins = 1\n')


def test_an_input_that_is_no_coarser_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path, "", slice(130, 200))
    path.write_text(path.read_text() + '\n[grid]\nlike = "soil_moisture"\n')
    assert any("no coarser than the study grid" in told for told in problems(path))


def test_a_station_outside_the_grid_is_named(tmp_path: Path) -> None:
    path = small(tmp_path, 'stations = "stations.csv"\n', slice(130, 200), stations=3)
    table = pd.read_csv(tmp_path / "stations.csv")
    table.loc[table["station"] == "S01", "longitude"] = 120.0
    table.to_csv(tmp_path / "stations.csv", index=False)
    (told,) = problems(path)
    assert "S01 (120.0000" in told
    assert "outside the grid" in told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"soil_moisture": 23.0}, "vol% must be divided by 100"),
        ({"soil_moisture": "wet"}, "text where numbers are needed"),
        ({"latitude": None}, "no place on Earth"),
        ({"time": "soon"}, "dates that cannot be read"),
        ({"longitude": 94.99}, "a station with several places"),
    ],
)
def test_wrong_rows_of_stations_are_named(tmp_path: Path, change: dict, words: str) -> None:
    path = small(tmp_path, 'stations = "stations.csv"\n', slice(130, 200), stations=2)
    table = pd.read_csv(tmp_path / "stations.csv").astype(object)
    for name, value in change.items():
        table.loc[3, name] = value
    table.to_csv(tmp_path / "stations.csv", index=False)
    (told,) = problems(path)
    assert words in told
    assert "row 5" in told or "S00" in told


def test_all_days_without_observation_are_refused(tmp_path: Path) -> None:
    path = small(tmp_path, "", slice(130, 200))
    run(read_study(path), STEPS, settings=QUIET, until="grids")
    with xr.open_dataset(
        tmp_path / "soil_moisture.nc", engine="h5netcdf", decode_coords="all"
    ) as f:
        cube = f.load()
    # some values far out of range: not all missing, and still nothing to learn from
    cube["soil_moisture"][:] = np.nan
    cube["soil_moisture"][0, 0, :2] = [0.1, 0.2]
    cube.to_netcdf(tmp_path / "soil_moisture.nc", engine="h5netcdf")
    with pytest.raises((DataError, GridError), match="observation"):
        run(read_study(path), STEPS, settings=QUIET)


def test_what_is_kept_says_how_it_was_made(done: Path) -> None:
    card = json.loads((done / "results" / "downscaling" / "maps.json").read_text())
    assert "Gaussian process" in card["method"]
    assert any("wavelet band" in text for text in card["choices"])
    assert any("synthetic" in text or "coarse observation" in text for text in card["cautions"])


def test_check_says_that_fewer_folds_are_made_than_asked_for(tmp_path: Path) -> None:
    """The coarse cells of 12 x 20 lie in four squares, too few for five folds."""
    path = write_satellite_demo(tmp_path, seed=3, shape=(12, 20), days=slice(100, 160))
    found = survey(read_study(path), STEPS)
    assert found.problems == ()
    assert [note for note in found.lines() if note.startswith("Held-out folds:")] == [*found.notes]
    assert len(found.notes) == 1
    assert "instead of 5" in found.notes[0]
