"""The demo's files hold the virtual headwater, in several formats and units."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters import STEPS
from headwater.errors import ResumeError
from headwater.grids import cell_area
from headwater.study import check, load_result, read_study, run
from headwater.study.demo import write_demo
from headwater.study.inputs import open_input
from headwater.virtual import make_headwater


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo(tmp_path_factory.mktemp("demo") / "out", small=True)


def test_the_demo_is_a_sound_study(demo: Path) -> None:
    study = read_study(demo)
    assert check(study, STEPS) == []
    assert study.variation is not None
    assert study.correlation is not None
    assert study.detector is not None
    assert study.vegetation is not None
    assert study.samples is not None


def test_what_is_read_is_what_was_made(demo: Path) -> None:
    here = make_headwater(seed=1, years=(2020, 2021), shape=(10, 16), resolution=0.5)
    study = read_study(demo)
    half_steps = {"soil_moisture": 2**-11, "ndvi": 2**-11, "precipitation": 2**-5}
    resolution = half_steps | {"temperature": 2**-5 + 5e-5}
    for name, tolerance in resolution.items():
        read = open_input(study, name)
        assert read.dims == ("time", "y", "x")
        assert read.dtype == np.float32
        np.testing.assert_allclose(
            read.values, here.cube[name].values, rtol=0, atol=tolerance + 1e-7, err_msg=name
        )
        np.testing.assert_array_equal(read["time"].values, here.cube["time"].values)
        np.testing.assert_allclose(read["x"].values, here.cube["x"].values)
    elevation = open_input(study, "elevation").values
    np.testing.assert_allclose(elevation, here.dem.values, rtol=2e-7)
    np.testing.assert_array_equal(open_input(study, "vegetation").values, here.vegetation.values)
    samples = pd.read_csv(demo.parent / "data" / "samples.csv")
    assert len(samples) == len(here.samples)
    assert (demo.parent / "data" / "truth.nc").is_file()


def test_the_truth_of_the_demo_has_a_place_on_the_earth(demo: Path) -> None:
    with xr.open_dataset(demo.parent / "data" / "truth.nc", decode_coords="all") as truth:
        for name, field in truth.data_vars.items():
            if {"y", "x"} <= set(field.dims):
                assert float(cell_area(field).max()) == pytest.approx(2480, rel=0.01), name


def test_a_demo_replaces_a_demo_and_nothing_else(demo: Path, tmp_path: Path) -> None:
    assert write_demo(demo.parent, small=True) == demo
    (tmp_path / "study.toml").write_text("[study]\nname = 'mine'\n")
    with pytest.raises(ResumeError, match="other things than a demo"):
        write_demo(tmp_path, small=True)
    assert (tmp_path / "study.toml").read_text() == "[study]\nname = 'mine'\n"
    (tmp_path / "file").touch()
    with pytest.raises(ResumeError, match="cannot be written"):
        write_demo(tmp_path / "file", small=True)


def test_the_fractions_of_the_demo_hold_the_truth(demo: Path, tmp_path: Path) -> None:
    text = demo.read_text()
    samples = text[text.index("[samples]") : text.index("\n[restoration]")]
    samples = samples.replace("data/", f"{demo.parent}/data/")
    (tmp_path / "study.toml").write_text('[study]\nname = "Samples"\n' + samples)
    run(read_study(tmp_path / "study.toml"), STEPS)
    found = load_result(tmp_path / "results", "samples/mixing").data
    here = make_headwater(seed=1, years=(2020, 2021), shape=(10, 16), resolution=0.5)
    truth = here.truth.samples.query("water == 'soil'")
    truth = truth.assign(period=truth["month"].map({6: "June", 8: "August", 9: "September"}))
    held = []
    for place, keys in (("all", ["period"]), ("altitude_band", ["period", "band"])):
        for key, rows in truth.groupby(keys):
            label = "all" if place == "all" else f"{key[1]} m".replace("-", "–")
            part = found[(found["grouping"] == place) & (found["label"] == label)]
            part = part[(part["period"] == key[0]) & (part["status"] == "ok")]
            for row in part.to_dict("records"):
                true = rows[row["source"].replace(" ", "_")].mean()
                # an interval of positive fractions cannot hold a source that is not there
                if 0.0 < true < 1.0:
                    held.append(row["low"] <= true <= row["high"])
    assert len(held) >= 25
    # 92 % over twenty campaigns: docs/simulations/samples.md
    assert np.mean(held) >= 0.85
