"""From a results folder to report, figures and tables: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from headwater.chapters import SECTIONS
from headwater.errors import ResumeError
from headwater.grids import write_zarr
from headwater.grids.geometry import grid_coords
from headwater.report import write_report
from headwater.results import MapResult, TableResult
from headwater.study import Study, parse_study
from headwater.study.folder import replace_folder, running_folder
from headwater.study.results_io import save_result

GRID = GeoBox((10, 20), Affine(0.1, 0, 94, 0, -0.1, 37), "EPSG:4326")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    text = """
    [study]
    name = "Qilian"
    [area]
    bbox = [94.1, 36.1, 95.9, 36.9]
    [inputs.soil_moisture]
    path = "sm.nc"
    """
    return parse_study(text, tmp_path / "study.toml")


@pytest.fixture
def results(study: Study) -> Path:
    """A results folder with one finished step."""
    home = study.results
    home.mkdir()
    coords = grid_coords(GRID)
    share = np.linspace(40, 100, 200).reshape(10, 20)
    coverage = xr.DataArray(share, dims=("y", "x"), coords=coords, attrs={"units": "%"})
    attrs = {"long_name": "Elevation", "units": "m"}
    elevation = xr.DataArray(50 * share, dims=("y", "x"), coords=coords, attrs=attrs)
    row = {"input": "soil_moisture", "units": "m3 m-3", "cell": 9.1, "steps": 60, "valid": 70.0}
    row |= {"start": "2017-01-31", "end": "2021-12-31", "alignment": "none", "out_of_range": 0}
    inputs = TableResult(pd.DataFrame([row]), "Inputs were aligned.", choices=("One grid.",))
    maps = MapResult(coverage.to_dataset(name="soil_moisture"), "Times were counted.")
    with running_folder(home, "grids") as folder:
        save_result(folder, "inputs", inputs)
        save_result(folder, "coverage", maps)
        write_zarr(
            elevation.to_dataset(name="elevation"),
            folder / "elevation.zarr",
            chunks={"y": 10, "x": 20},
        )
        replace_folder(folder, "grids", "0123456789ab")
    return home


def test_page_figures_and_tables_are_written(results, study):
    path = write_report(results, study, SECTIONS, dpi=60)
    assert path == results / "report.html"
    page = path.read_text(encoding="utf-8")
    for words in ("<h1>Qilian</h1>", "Inputs were aligned.", "One grid.", "What to distrust"):
        assert words in page
    assert sorted(file.name for file in (results / "figures").iterdir()) == [
        "drawn.json",
        "grids-coverage.svg",
        "grids-elevation.svg",
    ]
    table = pd.read_csv(results / "tables" / "grids-inputs.csv")
    assert table.loc[0, "valid"] == 70.0
    assert not list(results.glob(".writing*"))


def test_the_same_results_give_the_same_report_and_old_figures_go(results, study):
    first = write_report(results, study, SECTIONS, dpi=60).read_bytes()
    (results / "figures" / "of-an-earlier-study.png").write_bytes(b"old")
    assert write_report(results, study, SECTIONS, dpi=60).read_bytes() == first
    assert not (results / "figures" / "of-an-earlier-study.png").exists()


def test_a_step_that_has_not_finished_has_no_chapter(results, study):
    (results / "variation").mkdir()
    page = write_report(results, study, SECTIONS, dpi=60).read_text(encoding="utf-8")
    assert 'id="grids"' in page
    assert 'id="variation"' not in page


def test_a_broken_result_leaves_the_old_report_as_it_was(results, study):
    path = write_report(results, study, SECTIONS, dpi=60)
    before = path.read_bytes()
    (results / "grids" / "inputs.json").write_text("{")
    with pytest.raises(ResumeError, match="no readable result 'grids/inputs'"):
        write_report(results, study, SECTIONS)
    assert path.read_bytes() == before
    assert (results / "figures" / "grids-elevation.svg").exists()
