"""The chapter on the study area: what came in, how complete it is, and what it cannot say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from headwater.chapters.grids.section import make_section
from headwater.grids import read_area
from headwater.grids.geometry import grid_coords
from headwater.report.page import front_of
from headwater.report.picture import Look, take_picture
from headwater.report.section import FigureBlock, TableBlock, TextBlock
from headwater.results import MapResult, Result, TableResult
from headwater.study import parse_study

GRID = GeoBox((10, 20), Affine(0.1, 0, 94, 0, -0.1, 37), "EPSG:4326")
SHAPE = (10, 20)


def cells(values, **attrs) -> xr.DataArray:
    data = np.broadcast_to(values, SHAPE).astype(float)
    return xr.DataArray(data, dims=("y", "x"), coords=grid_coords(GRID), attrs=attrs)


def row(name: str, **facts) -> dict[str, object]:
    usual = {
        "file": f"{name}.nc",
        "units": "m3 m-3",
        "units_given": "",
        "cell": 9.0,
        "alignment": "none",
        "steps": 1826,
        "start": "2017-01-01",
        "end": "2021-12-31",
        "valid": 100.0,
        "out_of_range": 0,
    }
    return {"input": name, **usual, **facts}


def results(*rows: dict[str, object], **coverage: xr.DataArray) -> dict[str, Result]:
    frame = pd.DataFrame(rows)
    frame.attrs["units"] = {"cell": "km", "valid": "%"}
    choices = ("soil_moisture: aligned by none.",)
    return {
        "inputs": TableResult(frame, "Inputs were aligned.", choices=choices),
        "coverage": MapResult(xr.Dataset(coverage), "Times were counted."),
    }


@pytest.fixture
def found() -> dict[str, Result]:
    """A soil moisture with gaps, a coarse precipitation without, and an elevation."""
    half = cells(np.linspace(40, 100, 20))
    half[0] = np.nan
    whole = cells(100.0).where(np.isfinite(half))
    elevation = cells(np.linspace(2000, 5000, 20), long_name="Elevation", units="m")
    terrain = {"steps": 1, "start": None, "end": None, "units": "m"}
    found = results(
        row("soil_moisture", valid=70.0),
        row("precipitation", cell=27.0, units="mm", units_given="mm"),
        row("elevation", **terrain),
        soil_moisture=half,
        precipitation=whole,
        elevation=whole,
    )
    return found | {"elevation": MapResult(elevation.to_dataset(name="elevation"), "")}


def test_the_headline_gives_area_period_and_the_worst_gap(found):
    size, gaps = make_section(found, None).headline
    assert size.startswith("The study area holds 180 cells on 17\u202f")
    assert size.endswith("km², studied from 2017-01-01 to 2021-12-31.")
    assert "soil moisture: 70 % of its values are valid (n = 1826 times, 180 cells)" in gaps


def test_cells_that_never_have_a_value_are_counted():
    share = cells(60.0)
    share[:, :4] = 0.0
    (_, gaps) = make_section(
        results(row("soil_moisture", valid=48.0), soil_moisture=share), None
    ).headline
    assert "200 cells, 40 of which never have one" in gaps


def test_a_projected_grid_is_told_in_kilometres():
    grid = GeoBox((9, 6), Affine(24000, 0, 3973370, 0, -24000, 2951850), "EPSG:3035")
    share = xr.DataArray(np.full((9, 6), 99.0), dims=("y", "x"), coords=grid_coords(grid))
    found = results(row("soil_moisture", steps=1, start="", end=""), soil_moisture=share)
    study = parse_study('[study]\nname = "Mosel"\n[inputs.soil_moisture]\npath = "sm.nc"')
    facts = dict(front_of(study, found).facts)
    assert facts["Study grid"] == "9 × 6 cells of 24 km, EPSG:3035"
    assert facts["Extent"] == "3973.37 to 4117.37 km east, 2735.85 to 2951.85 km north"
    assert "Period" not in facts
    assert "Growing season" not in facts


def test_a_coarse_input_is_distrusted_with_its_true_number_of_places(found):
    short, coarse, unit = make_section(found, None).cautions
    assert short.startswith("The period covers 5 years")
    assert coarse.startswith("Precipitation has cells of 27 km, ")
    assert coarse.endswith("places, not 180.")
    assert 15 <= int(coarse.split("about ")[1].split()[0]) <= 40
    assert unit.startswith("The unit of precipitation (mm) stands in the study file")


def test_only_inputs_with_gaps_get_a_coverage_map(found):
    names = [
        block.name for block in make_section(found, None).blocks if isinstance(block, FigureBlock)
    ]
    assert names == ["elevation", "coverage"]
    complete = results(row("ndvi"), ndvi=cells(100.0))
    blocks = make_section(complete, None).blocks
    assert not any(isinstance(block, FigureBlock) for block in blocks)
    assert any(isinstance(block, TextBlock) and "Every input" in block.text for block in blocks)


def test_the_table_of_inputs_leaves_out_what_nothing_is_known_of(found):
    table = next(
        block for block in make_section(found, None).blocks if isinstance(block, TableBlock)
    )
    assert list(table.frame.columns[:4]) == ["input", "file", "unit given", "unit used"]
    assert "variable" not in table.frame
    assert list(table.frame["start"]) == ["2017-01-01", "2017-01-01", ""]
    assert table.frame.attrs["units"] == {"source cell": "km", "valid": "%"}


def test_every_figure_can_be_drawn(found):
    outline = read_area((94.2, 36.1, 95.9, 36.8))
    classes = cells(np.arange(20) % 3, kind="categorical", long_name="Soil class", units="1")
    found |= {"soil_class": MapResult(classes.to_dataset(name="soil_class"), "")}
    section = make_section(found, outline)
    figures = [block for block in section.blocks if isinstance(block, FigureBlock)]
    assert [block.name for block in figures] == ["elevation", "soil_class", "coverage"]
    assert all(len(take_picture(block, Look()).files["svg"]) > 3000 for block in figures)
    assert "3 classes" in figures[1].caption
    assert any("classes 0, 1, 2 have no name" in text for text in section.cautions)


@pytest.mark.parametrize(
    ("start", "end", "steps", "last"),
    [
        ("2017-01-01", "2021-12-01", 60, "2021-12-31"),
        ("2017-01-01", "2021-02-01", 50, "2021-02-28"),
        ("2000-01-01", "2020-01-01", 21, "2020-12-31"),
        ("2017-01-01", "2021-12-01", 1796, "2021-12-01"),
    ],
)
def test_the_period_ends_with_the_month_that_is_stamped_with_its_first(
    found, start, end, steps, last
):
    inputs = found["inputs"].data.assign(start=start, end=end, steps=steps)
    study = parse_study('[study]\nname = "Qilian"\n[inputs.soil_moisture]\npath = "sm.nc"')
    front = front_of(study, found | {"inputs": replace(found["inputs"], data=inputs)})
    assert dict(front.facts)["Period"] == f"{start} to {last}"


def test_the_front_sums_the_study_up(found):
    study = parse_study('[study]\nname = "Qilian"\n[inputs.soil_moisture]\npath = "sm.nc"')
    front = front_of(study, found)
    assert front.title == "Qilian"
    assert dict(front.facts) == {
        "Target": "Soil moisture",
        "Extent": "94–96° E, 36–37° N",
        "Study grid": "10 × 20 cells of 0.1°, EPSG:4326",
        "Period": "2017-01-01 to 2021-12-31",
        "Growing season": "May to October",
    }
    assert dict(front_of(study, None).facts)["Target"] == "Soil moisture"
