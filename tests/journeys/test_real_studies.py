"""The two studies on real data, run as a reader of the README would run them.

Expected values: counted and averaged by hand from the files with NumPy (see each test); the inputs are
described in the SOURCE.md beside them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data of ../shared are not here"),
]


def run_study(name: str, folder: Path) -> Path:
    """Run a copy of the study whose results lie in `folder`; the inputs stay where they are."""
    text = (ROOT / "studies" / f"{name}.toml").read_text()
    inputs = os.path.relpath(DATA, folder)
    (folder / "study.toml").write_text(text.replace("../../shared/data", inputs))
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
    page = (mosel / "report.html").read_text()
    assert "38.4 % of its values are valid" in page
    assert "nothing could pass" in page
    trend = xr.open_dataset(mosel / "variation" / "soil_moisture_trend.nc")
    assert not (trend["p_value"] < 0.05).any()


def test_mosel_precipitation_keeps_its_amount(mosel: Path) -> None:
    raw = xr.open_dataset(DATA / "mhm-mosel-esacci" / "pre.nc")["pre"]
    raw = raw.sel(time=slice("1990-01-01", "1993-12-31"))
    ours = cube(mosel, "precipitation")
    assert ours.attrs["units"] == "mm"
    np.testing.assert_allclose(
        ours.values.sum(axis=0), raw.values.sum(axis=0), rtol=1e-5
    )


def test_qilian_has_the_cells_of_the_area_and_their_units(qilian: Path) -> None:
    water = cube(qilian, "soil_water")
    assert water.attrs["units"] == "kg m-2"
    cells = int(np.isfinite(water.values).sum())
    inputs = pd.read_csv(qilian / "grids" / "inputs.csv")
    assert cells > 300
    assert (inputs["unit_used"] == "kg m-2").any()
    assert 3.5 < float(water.min()) < float(water.max()) < 18.6


def test_qilian_factors_are_judged_by_shifts_of_the_map(qilian: Path) -> None:
    factors = pd.read_csv(qilian / "detector" / "factor.csv")
    assert set(factors["factor"]) == {
        "surface_temperature",
        "net_radiation",
        "specific_humidity",
        "evapotranspiration",
        "vegetation",
    }
    assert ((factors["q"] >= 0) & (factors["q"] <= 1)).all()
    assert (factors["p_shift"] >= factors["p_value"] - 1e-12).sum() >= 3


def test_provenance_names_every_input(qilian: Path) -> None:
    provenance = json.loads((qilian / "provenance.json").read_text())
    assert any(name.endswith("rmep_200001_0p25.nc") for name in provenance["inputs"])
