"""The cost of a study, counted before it is computed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from headwater.chapters import STEPS
from headwater.cli import app
from headwater.settings import Settings
from headwater.study import parse_study
from headwater.study.cost import estimate

STUDY = """
[study]
name = "Cost"
period = ["2018-01-01", "2018-12-31"]
[inputs.soil_moisture]
path = "sm.nc"
[inputs.elevation]
path = "z.nc"
[variation]
of = ["soil_moisture"]
[correlation]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two years of days on 40 by 50 cells, of which one is studied."""
    folder = tmp_path_factory.mktemp("cost")
    places = {
        "lat": ("lat", 40.0 - 0.25 * (np.arange(40) + 0.5), {"units": "degrees_north"}),
        "lon": ("lon", 94.0 + 0.25 * (np.arange(50) + 0.5), {"units": "degrees_east"}),
    }
    rng = np.random.default_rng(1)
    wet = rng.uniform(0.1, 0.4, (730, 40, 50)).astype("float32")
    days = {"time": pd.date_range("2018-01-01", periods=730)}
    about = {"units": "m3 m-3"}
    cube = xr.DataArray(wet, days | places, ("time", "lat", "lon"), "v", about)
    layout = {"v": {"chunksizes": (73, 40, 50)}}
    cube.to_netcdf(folder / "sm.nc", engine="h5netcdf", encoding=layout)
    high = xr.DataArray(1e4 * wet[0], places, ("lat", "lon"), "z", {"units": "m"})
    high.to_netcdf(folder / "z.nc", engine="h5netcdf")
    (folder / "study.toml").write_text(STUDY)
    return folder


def test_blocks_values_and_bytes_of_the_period_are_counted(home: Path) -> None:
    study = parse_study(STUDY, home / "study.toml")
    # a block holds 146 days: two of the file's chunks
    found = estimate(study, STEPS, Settings(chunk_mb=1.5))
    grids, variation, correlation = found.costs
    assert (grids.step, variation.step, correlation.step) == ("grids", "variation", "correlation")
    # 365 days in three blocks and one map
    assert grids.blocks == 3 + 1
    assert grids.values == (365 + 1) * 40 * 50
    assert grids.nbytes == 4 * grids.values
    assert (variation.blocks, variation.values) == (3, 365 * 40 * 50)
    assert correlation.values == variation.values
    assert found.memory_mb == pytest.approx(320 + 20 * 1.5)
    assert found.hours(1) > found.hours(10) >= found.hours(1000) > 0


def test_the_command_names_hours_and_what_it_does_not_know(home: Path) -> None:
    file = home / "more.toml"
    file.write_text(STUDY + "[detector]\n")
    done = CliRunner().invoke(app, ["estimate", str(file)])
    assert done.exit_code == 0, done.output
    assert "grids: " in done.output
    assert " 1000 workers: " in done.output
    assert "Not estimated, mainly in the client: detector" in done.output
    assert not (home / "results").exists()
