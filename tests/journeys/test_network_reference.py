"""The network's store on PostgreSQL as the measurements of [validation] and of [downscaling]."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner

from headwater.chapters import STEPS
from headwater.chapters.validation.reference import daily_reference, reference_stamp
from headwater.cli import app
from headwater.errors import InputError
from headwater.grids import write_netcdf
from headwater.grids.geometry import grid_coords
from headwater.network import load_reading, open_store
from headwater.network.ingest.ismn import read_ismn_archive
from headwater.study import load_result, read_study

GRID = GeoBox((4, 5), Affine(0.25, 0, 99.0, 0, -0.25, 39.0), "EPSG:4326")
DAYS = pd.date_range("2019-04-01", periods=80)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    slow = np.cumsum(np.random.default_rng(7).normal(0.0, 0.012, (80, *GRID.shape)), axis=0)
    return np.clip(0.25 + slow - slow.mean(axis=0), 0.05, 0.5)


@pytest.fixture(scope="module")
def address(postgresql, truth, tmp_path_factory) -> str:
    """Put two sensors of a station, one below the other, into a data base."""
    home = tmp_path_factory.mktemp("ismn") / "NET" / "S1"
    home.mkdir(parents=True)
    for depth, bias in ((0.05, 0.0), (0.50, 0.1)):
        lines = [f"NET NET S1 38.875 99.125 3000.0 {depth:.2f} {depth:.2f} Probe"]
        lines += [
            f"{day:%Y/%m/%d} 12:00 {value + bias:.4f} G M"
            for day, value in zip(DAYS, truth[:, 0, 0], strict=True)
        ]
        span = f"{DAYS[0]:%Y%m%d}_{DAYS[-1]:%Y%m%d}"
        name = f"NET_NET_S1_sm_{depth:.6f}_{depth:.6f}_Probe_{span}.stm"
        (home / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    made = postgresql.database("reference")
    with open_store(made) as store:
        load_reading(read_ismn_archive(home.parent.parent), store)
    return made


def test_a_study_is_validated_against_the_network(address, truth, tmp_path: Path) -> None:
    coords = {"time": DAYS, **grid_coords(GRID)}
    noise = np.random.default_rng(3).normal(0.0, 0.02, truth.shape)
    attrs = {"units": "m3 m-3", "long_name": "soil moisture"}
    cube = xr.DataArray(truth + 0.02 + noise, coords, ("time", "y", "x"), "soil_moisture", attrs)
    write_netcdf(cube.to_dataset(), tmp_path / "sm.nc")
    secret = address.replace("headwater@", "headwater:not-a-secret@")
    (tmp_path / "study.toml").write_text(
        '[study]\nname = "x"\n[inputs.soil_moisture]\npath = "sm.nc"\n[validation]\n'
        f'reference = "{secret}"\ndepth = [0.0, 0.1]\n',
        encoding="utf-8",
    )
    command = [str(tmp_path / "study.toml")]
    looked = CliRunner().invoke(app, ["check", *command])
    assert looked.exit_code == 0, looked.output
    assert "network: 1 series" in looked.output
    done = CliRunner().invoke(app, ["run", *command])
    assert done.exit_code == 0, done.output
    study = read_study(tmp_path / "study.toml", STEPS)
    card = load_result(study.results, "validation/scorecard").data
    bias = card.query("grouping == 'all' and series == 'raw' and measure == 'bias'")["value"]
    assert bias.iloc[0] == pytest.approx(0.02, abs=0.006)
    assert "not-a-secret" not in (study.results / "validation" / "scorecard.json").read_text()


def test_points_of_a_downscaling_come_from_the_network(address, truth) -> None:
    daily = daily_reference(address, DAYS.to_numpy().astype("datetime64[D]"), depth=(0.0, 0.1))
    assert len(daily) == len(DAYS)
    assert daily["soil_moisture"].to_numpy() == pytest.approx(truth[:, 0, 0], abs=1e-4)
    with pytest.raises(InputError, match="several series at one place"):
        daily_reference(address)
    assert reference_stamp(address) == reference_stamp(address)
    assert set(reference_stamp(address)) == {"fingerprint"}
