"""Files that say the same in other ways are read the same, or refused, or warned of."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.grids import read_area, study_grid, write_geotiff, write_netcdf
from headwater.grids.geometry import grid_coords

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks lie beside the tests"
)
def test_no_mutated_file_is_misread_in_silence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    mutated = importlib.import_module("benchmarks.mutated_files")
    found = {seed: mutated.one(seed, tmp_path) for seed in range(60)}
    wrong = {
        seed: (word, done)
        for seed, (word, done) in found.items()
        if word.startswith(("SILENT", "CRASHED"))
    }
    assert wrong == {}
    words = [word for word, _ in found.values()]
    assert words.count("same") > 25  # and most are simply read


_CHECK = """
import contextlib, io, json, sys
from compliance_checker.runner import CheckSuite, ComplianceChecker
CheckSuite.load_all_available_checkers()
with contextlib.redirect_stdout(io.StringIO()):
    ComplianceChecker.run_checker(
        sys.argv[1], ["cf:1.11"], 0, "normal", output_filename=sys.argv[2], output_format="json"
    )
"""


def test_the_cf_checker_finds_nothing_in_results(tmp_path: Path) -> None:
    pytest.importorskip("compliance_checker")
    grid = study_grid(resolution=0.1, area=read_area((95, 36, 95.5, 36.4)))
    coords = grid_coords(grid)
    classes = np.full(grid.shape, 1.0)
    classes[0, 0] = np.nan
    flags = {"flag_values": np.array([-1, 0, 1]), "flag_meanings": "falling none rising"}
    maps = xr.Dataset(
        {
            "trend_class": (("y", "x"), classes, {"long_name": "Class of the trend", **flags}),
            "significant": (("y", "x"), classes == 1, {"long_name": "Significant", "units": "1"}),
            "mean": (
                ("year", "y", "x"),
                np.ones((2, *grid.shape)),
                {"long_name": "Mean", "units": "m3 m-3", "cell_methods": "time: mean"},
            ),
            "theta": (("time", "y", "x"), np.full((3, *grid.shape), 0.25), {"units": "m3 m-3"}),
        },
        {**coords, "year": [2015, 2016], "time": pd.date_range("2015-01-01", periods=3)},
    )
    packing = {"dtype": "int16", "_FillValue": -32768, "scale_factor": np.float32(2**-10)}
    path = write_netcdf(maps, tmp_path / "maps.nc", encoding={"theta": packing})
    out = tmp_path / "out.json"
    subprocess.run([sys.executable, "-c", _CHECK, str(path), str(out)], check=True)
    found = json.loads(out.read_text())
    found = found.get("cf:1.11", found)
    kinds = ("high_priorities", "medium_priorities", "low_priorities")
    assert [words for kind in kinds for each in found[kind] for words in each["msgs"]] == []
    written = xr.load_dataset(path)
    again = written["trend_class"]
    assert (written["theta"].dtype, written["theta"].encoding["dtype"]) == ("float32", "int16")
    np.testing.assert_array_equal(again, classes)


def test_masks_have_no_data_outside(tmp_path: Path) -> None:
    import rasterio

    grid = study_grid(resolution=0.1, area=read_area((95, 36, 95.5, 36.4)))
    mask = xr.DataArray(np.ones(grid.shape, bool), dims=("y", "x"), coords=grid_coords(grid))
    inside = mask.copy()
    inside[0] = False
    with rasterio.open(write_geotiff(mask, tmp_path / "m.tif", inside=inside)) as file:
        values = file.read(1)
        assert file.nodata == 255
    assert (values[0] == 255).all()
    assert (values[1:] == 1).all()


def test_cells_that_never_change_are_reported() -> None:
    from headwater.glossary import term
    from headwater.grids.plausibility import overview

    months = pd.date_range("2015-01-01", periods=24, freq="MS")
    values = np.random.default_rng(1).normal(0, 5, (24, 4, 4))
    values[:, 0, 0] = 0.0
    data = xr.DataArray(values, {"time": months}, ("time", "y", "x"))
    words = " ".join(overview(data, term("temperature")).warnings)
    assert "1 of 16 cells looked at hold one value at all times (0 degC)" in words
    assert overview(data.isel(x=slice(1, None)), term("temperature")).warnings == ()
