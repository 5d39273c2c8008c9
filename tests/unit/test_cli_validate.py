"""`headwater validate`: a product against stations, as a field scientist calls it."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner

from headwater.cli import app
from headwater.grids import write_netcdf
from headwater.grids.geometry import grid_coords

RUN = CliRunner()
GRID = GeoBox((6, 8), Affine(0.25, 0, 99.0, 0, -0.25, 39.0), "EPSG:4326")


def told(result) -> str:
    """All that was printed, without the line breaks that wrapping made."""
    assert "Traceback" not in result.output
    assert "bug in Headwater" not in result.output
    return " ".join(result.output.split())


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A product that is the truth plus 0.02 and noise, two others, and four stations."""
    rng = np.random.default_rng(4)
    days = pd.date_range("2019-04-01", periods=240)
    slow = np.cumsum(rng.normal(0.0, 0.012, (240, *GRID.shape)), axis=0)
    truth = np.clip(0.22 + slow - slow.mean(axis=0), 0.05, 0.45)
    for name, bias, sd in (("ours", 0.02, 0.02), ("second", 0.0, 0.03), ("third", 0.0, 0.04)):
        values = np.clip(truth + bias + rng.normal(0.0, sd, truth.shape), 0.01, 0.6)
        cube = xr.DataArray(
            values,
            dims=("time", "y", "x"),
            coords={"time": days, **grid_coords(GRID)},
            attrs={"units": "m3 m-3", "long_name": name},
        )
        write_netcdf(cube.to_dataset(name="soil_moisture"), tmp_path / f"{name}.nc")
    coords = grid_coords(GRID)
    rows = []
    for number, (row, column) in enumerate([(0, 0), (2, 3), (3, 5), (5, 7)]):
        series = truth[:, row, column] + rng.normal(0.0, 0.01, 240)
        rows.append(
            pd.DataFrame(
                {
                    "station": f"P{number}",
                    "longitude": float(coords["x"][column]),
                    "latitude": float(coords["y"][row]),
                    "time": days + pd.Timedelta("6h"),
                    "soil_moisture": series.clip(0.0, 1.0).round(4),
                }
            )
        )
    pd.concat(rows).to_csv(tmp_path / "stations.csv", index=False)
    return tmp_path


def call(folder: Path, *words: str, product: str = "ours.nc"):
    return RUN.invoke(
        app, ["validate", str(folder / product), str(folder / "stations.csv"), *words]
    )


def test_scores_stand_on_screen_and_in_files(world: Path) -> None:
    out = world / "out"
    result = call(world, "--by", "season", "--by", "station", "--out", str(out))
    assert result.exit_code == 0, result.output
    for words in (
        "All stations (95 % intervals)",
        "By season",
        "By station",
        "ubrmsd",
        "P3",
        "JJA",
    ):
        assert words in told(result)
    table = pd.read_csv(out / "scorecard.csv")
    whole = table[(table["grouping"] == "all") & (table["series"] == "raw")].set_index("measure")
    assert whole.loc["bias", "value"] == pytest.approx(0.02, abs=0.005)
    assert whole.loc["ubrmsd", "value"] == pytest.approx(np.hypot(0.02, 0.01), abs=0.004)
    assert (whole.loc["pearson", "low"] <= whole.loc["pearson", "value"]).all()
    for figure in ("scorecard-summary.png", "scorecard-forest.svg", "scorecard-series.png"):
        assert (out / figure).stat().st_size > 5000


def test_anomalies_and_scaling_are_scored_beside_the_plain_values(world: Path) -> None:
    out = world / "out"
    result = call(world, "--anomalies", "--scaling", "mean_std", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert "short-term anomaly" in told(result)
    assert "scaled by mean_std" in told(result)
    assert "first half of each station's days" in told(result)
    plain, scaled = (pd.read_csv(out / f"{name}.csv") for name in ("scorecard", "scorecard-scaled"))

    def bias(table: pd.DataFrame) -> pd.Series:
        own = table[(table["grouping"] == "all") & (table["series"] == "raw")]
        return own.set_index("measure").loc["bias"]

    assert abs(bias(scaled)["value"]) < abs(bias(plain)["value"])
    # only what is scaled is halved
    assert bias(scaled)["n"] == pytest.approx(480, abs=8)
    assert bias(plain)["n"] == 960


def test_other_products_are_collocated(world: Path) -> None:
    others = ["--against", str(world / "second.nc"), "--against", str(world / "third.nc")]
    result = call(world, *others, "--out", str(world / "out"))
    assert result.exit_code == 0, result.output
    assert "Triple collocation" in told(result)
    table = pd.read_csv(world / "out" / "collocation.csv")
    errors = table.groupby("dataset")["error_sd"].mean()
    for name, sd in (("product", 0.02), ("second", 0.03), ("third", 0.04), ("station", 0.01)):
        assert errors[name] == pytest.approx(sd, abs=0.008)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--by", "weekday"), 2, "unknown grouping"),
        (("--scaling", "magic"), 2, "unknown scaling"),
        (("--variable", "sm"), 3, "sm"),
    ],
)
def test_wrong_options_are_told(world: Path, words: tuple[str, ...], code: int, said: str) -> None:
    result = call(world, *words)
    assert result.exit_code == code, result.output
    assert said in told(result)


def test_a_station_outside_is_named(world: Path) -> None:
    table = pd.read_csv(world / "stations.csv")
    table.loc[table["station"] == "P2", "latitude"] = 60.0
    table.to_csv(world / "stations.csv", index=False)
    result = call(world)
    assert result.exit_code == 3
    assert "P2 (100.3750, 60.0000)" in told(result)
    assert "outside the grid" in told(result)


def test_periods_that_do_not_meet_are_told(world: Path) -> None:
    table = pd.read_csv(world / "stations.csv", parse_dates=["time"])
    table["time"] += pd.Timedelta(days=4000)
    table.to_csv(world / "stations.csv", index=False)
    result = call(world)
    assert result.exit_code == 4
    assert "share no day" in told(result)
    assert "2019-04-01 to 2019-11-26" in told(result)


def test_smap_without_its_flags_is_refused_by_the_check(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "SMAP_L3_SM_P_20180615_R19240_001.h5", "w") as file:
        group = file.create_group("Soil_Moisture_Retrieval_Data_AM")
        values = np.full((406, 964), 0.2, dtype=np.float32)
        group.create_dataset("soil_moisture", data=values, compression="gzip")
    study = tmp_path / "study.toml"
    study.write_text(
        '[study]\nname = "x"\n[inputs.soil_moisture]\npath = "SMAP*.h5"\nproduct = "smap-l3-am"\n'
    )
    result = RUN.invoke(app, ["check", str(study)])
    assert result.exit_code == 3
    assert "[inputs.soil_moisture]: " in told(result)
    assert "no layer 'retrieval_qual_flag'" in told(result)


def test_a_study_without_the_table_is_told_what_to_add(tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text('[study]\nname = "x"\n[inputs.ndvi]\npath = "ndvi.nc"\n')
    for command in ("downscale", "twin"):
        result = RUN.invoke(app, [command, str(study)])
        assert result.exit_code == 2
        assert "Add [downscaling]" in told(result)
