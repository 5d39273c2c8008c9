"""The studies on real data, run as a reader of the README would run them.

Expected values: counted and averaged by hand from the files with NumPy (see each test); the inputs
are described in tests/data/README.md.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "real"
pytestmark = pytest.mark.slow


def run_study(name: str, folder: Path) -> Path:
    """Run a copy of the study on a copy of its inputs, both in `folder`."""
    text = (ROOT / "studies" / f"{name}.toml").read_text()
    shutil.copytree(DATA, folder / "inputs")
    mosel = folder / "inputs" / "mhm-mosel-esacci"
    shutil.unpack_archive(mosel / "maps.zip", mosel)
    (folder / "study.toml").write_text(text.replace("../../shared/data", "inputs"))
    done = subprocess.run(
        [Path(sys.executable).parent / "headwater", "run", folder / "study.toml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / name


@pytest.fixture(scope="module")
def mosel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study("mosel", tmp_path_factory.mktemp("mosel"))


@pytest.fixture(scope="module")
def qilian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study("qilian-january-2000", tmp_path_factory.mktemp("qilian"))


def cube(results: Path, name: str) -> xr.DataArray:
    return xr.open_zarr(results / "grids" / f"{name}.zarr", decode_coords="all")[name]


def test_mosel_pairs_soil_moisture_with_the_true_coordinates(mosel: Path) -> None:
    moisture = cube(mosel, "soil_moisture")
    assert moisture.sizes == {"time": 48, "y": 9, "x": 6}
    # cell centres of latlon_1.nc, not the northing and easting of sm.nc
    np.testing.assert_allclose(moisture.y[0], 2939847.0)
    np.testing.assert_allclose(moisture.x[0], 3985369.0)
    valid = np.isfinite(moisture.values)
    assert (valid.any(axis=0)).sum() == 34
    assert valid.mean() == pytest.approx(0.384, abs=5e-4)
    # the elevation reaches exactly the cells that have soil moisture, but for thin rims
    elevation = np.isfinite(cube(mosel, "elevation").values)
    assert not (elevation & ~valid.any(axis=0)).any()


def test_mosel_says_how_little_such_data_can_show(mosel: Path) -> None:
    page = (mosel / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "38.4 % of its values are valid" in page
    assert "nothing could pass" in page
    trend = xr.open_dataset(mosel / "variation" / "soil_moisture-trend.nc")
    assert not (trend["p"] < 0.05).any()


def test_mosel_precipitation_keeps_its_amount(mosel: Path) -> None:
    raw = xr.open_dataset(DATA / "mhm-mosel-esacci" / "pre.nc")["pre"]
    raw = raw.sel(time=slice("1990-01-01", "1993-12-31"))
    ours = cube(mosel, "precipitation")
    assert ours.attrs["units"] == "mm"
    np.testing.assert_allclose(ours.values.sum(axis=0), raw.values.sum(axis=0), rtol=1e-5)


def test_qilian_has_the_cells_of_the_area_and_their_units(qilian: Path) -> None:
    water = cube(qilian, "soil_water")
    assert water.attrs["units"] == "kg m-2"
    cells = int(np.isfinite(water.values).sum())
    inputs = pd.read_csv(qilian / "grids" / "inputs.csv")
    assert cells > 300
    assert (inputs["units"] == "kg m-2").any()
    assert 3.5 < float(water.min()) < float(water.max()) < 18.6


def test_qilian_factors_are_judged_by_maps_as_smooth(qilian: Path) -> None:
    factors = pd.read_csv(qilian / "detector" / "factor.csv")
    assert set(factors["factor"]) == {
        "surface_temperature",
        "net_radiation",
        "specific_humidity",
        "evapotranspiration",
        "vegetation",
    }
    assert ((factors["q"] >= 0) & (factors["q"] <= 1)).all()
    # smooth maps look far more alike than independent cells would
    assert (factors["p_spatial"] > 100 * factors["p_value"]).sum() >= 3


def test_provenance_names_every_input(qilian: Path) -> None:
    provenance = json.loads((qilian / "provenance.json").read_text())
    assert any(name.endswith("rmep_200001_0p25.nc") for name in provenance["inputs"])


@pytest.fixture(scope="module")
def vallon_de_nant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openpyxl", reason="workbooks are read only where openpyxl is installed")
    return run_study("vallon-de-nant", tmp_path_factory.mktemp("vallon"))


@pytest.fixture(scope="module")
def montepaldi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study("montepaldi", tmp_path_factory.mktemp("montepaldi"))


@pytest.fixture(scope="module")
def alp_erlenbach(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study("alp-erlenbach", tmp_path_factory.mktemp("alp"))


def snow_share(results: Path, name: str) -> pd.Series:
    table = pd.read_csv(results / "samples" / f"{name}.csv").set_index(["grouping", "source"])
    return table.loc[("all", "snow")].squeeze()


def test_vallon_de_nant_agrees_with_the_published_posterior(vallon_de_nant: Path) -> None:
    chain = pd.read_csv(DATA / "isotopes-vallon-de-nant" / "H2_results_MCMC_1000.csv")
    published = chain["Snow ratio"].median()
    closed = snow_share(vallon_de_nant, "mixing-closed")
    posterior = snow_share(vallon_de_nant, "mixing")
    for ours in (closed, posterior):
        assert ours["low"] < published < ours["high"]
    # by the means alone: (-88.399 + 48.980) / (-109.768 + 48.980)
    assert closed["fraction"] == pytest.approx(0.6485, abs=5e-4)
    assert closed["sd"] == pytest.approx(0.0388, abs=5e-4)
    assert posterior["fraction"] == pytest.approx(closed["fraction"], abs=0.01)


def test_vallon_de_nant_the_published_fraction_is_that_of_all_pairs(vallon_de_nant: Path) -> None:
    """Why they differ: the published likelihood compares every rain-snow pair, scatter and all."""
    samples = pd.read_csv(vallon_de_nant / "samples" / "table.csv")
    waters = {name: rows["d2H"].to_numpy() for name, rows in samples.groupby("water")}
    rain, snow = waters["precipitation"], waters["snow"]
    gap = snow[:, None] - rain[None, :]
    # the f that minimises the sum of (f S_i + (1 - f) R_j - G_k)^2 over all i, j, k
    towards = waters["groundwater"].mean() - rain[None, :]
    pairs = (gap * towards).mean() / (gap**2).mean()
    chain = pd.read_csv(DATA / "isotopes-vallon-de-nant" / "H2_results_MCMC_1000.csv")
    best = chain.loc[chain["Log likelihood"].idxmax(), "Snow ratio"]
    assert pairs == pytest.approx(best, abs=2e-3)
    assert rain.var() / (rain.var() + snow.var()) == pytest.approx(0.52, abs=0.01)


def test_montepaldi_lc_excess_is_the_authors(montepaldi: Path) -> None:
    samples = pd.read_csv(montepaldi / "samples" / "table.csv")
    assert len(samples) == 231
    np.testing.assert_allclose(samples["lc_excess"], samples["lc_ex"], rtol=0, atol=1e-9)
    verdicts = pd.read_csv(montepaldi / "samples" / "verdicts.csv")
    whole = verdicts[verdicts["grouping"] == "all"].set_index("label")["verdict"]
    assert whole.to_dict() == dict.fromkeys(("soil 30cm", "soil 60cm"), "evaporation line")
    summary = pd.read_csv(montepaldi / "samples" / "summary.csv")
    excess = summary[summary["grouping"] == "all"].set_index("label")["lc_excess_mean"]
    assert excess["soil 30cm"] < excess["soil 60cm"] < 0.0


def test_montepaldi_says_what_its_given_line_does_not_know(montepaldi: Path) -> None:
    page = (montepaldi / "report.html").read_text()
    assert "Where the water came from" in page
    assert not (montepaldi / "samples" / "initial.csv").exists()


def test_alp_erlenbach_means_are_weighted_by_the_amounts(alp_erlenbach: Path) -> None:
    summary = pd.read_csv(alp_erlenbach / "samples" / "summary.csv")
    raw = pd.read_csv(DATA / "isotopes-alp-erlenbach-series" / "isotopeData.csv")
    seasons = np.array(["DJF", "MAM", "JJA", "SON"])
    raw["season"] = seasons[pd.to_datetime(raw["date"]).dt.month.to_numpy() % 12 // 3]
    raw["water"] = raw["variable"].replace("streamflow", "river")
    found = summary.set_index(["grouping", "label", "period"])["d18O_mean"]
    for (catchment, water, season), rows in raw.groupby(["catchment", "water", "season"]):
        used = rows.dropna(subset=["delta_18O"]).query("water_flux_mm > 0")
        mean = np.average(used["delta_18O"], weights=used["water_flux_mm"])
        ours = found["catchment", f"{water}, {catchment}", season]
        assert ours == pytest.approx(mean, rel=1e-12)
    waters = pd.read_csv(alp_erlenbach / "samples" / "waters.csv").set_index("water")["d18O_mean"]
    # weighting by amount lowers the precipitation, whose many small summer showers are heavy
    assert waters["precipitation"] < raw.loc[raw["water"] == "precipitation", "delta_18O"].mean()
    assert waters["river"] < waters["precipitation"]


def test_alp_erlenbach_says_that_one_isotope_gives_no_lines(alp_erlenbach: Path) -> None:
    assert "No water lines" in (alp_erlenbach / "report.html").read_text()
    assert not (alp_erlenbach / "samples" / "lines.csv").exists()
