"""The steps variation and correlation, and their chapters, on a study grid of a few cells."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

from headwater.chapters.correlation import section as correlation_chapter
from headwater.chapters.correlation import step as correlation
from headwater.chapters.variation import section as variation_chapter
from headwater.chapters.variation import step as variation
from headwater.errors import DataError, StudyError
from headwater.grids import write_zarr
from headwater.grids.geometry import grid_coords
from headwater.report.section import FigureBlock, TableBlock
from headwater.settings import Settings
from headwater.study.model import Study
from headwater.study.results_io import load_result, save_result
from headwater.study.step import Context

SHAPE = (4, 5)
STEPS = {"variation": variation, "correlation": correlation}


def cell_coords():
    return grid_coords(GeoBox.from_bbox((98, 36, 98.5, 36.4), "EPSG:4326", resolution=0.1))


def write(folder: Path, name: str, values, index=None, **attrs):
    coords = cell_coords() if index is None else {"time": index, **cell_coords()}
    dims = ("y", "x") if index is None else ("time", "y", "x")
    about = {"units": "1", "long_name": name, "kind": "continuous", "total": "mean", **attrs}
    data = xr.DataArray(values, coords, dims, name, about).chunk()
    write_zarr(data.to_dataset(), folder / f"{name}.zarr", chunks={"time": 100})


def context_of(results: Path, tables, step: str) -> Context:
    names = sorted(path.stem for path in (results / "grids").glob("*.zarr"))
    ordered = sorted(names, key=lambda name: name != "soil_moisture")
    inputs = {name: {"path": "x.nc"} for name in ordered if name != "aspect"}
    study = Study.model_validate({"study": {"name": "Test"}, "inputs": inputs, **tables})
    folder = results / step
    folder.mkdir(exist_ok=True)
    return Context(
        study=study,
        settings=Settings(),
        folder=folder,
        results=results,
        area=None,
        rng=np.random.default_rng(1),
        progress=lambda fraction, what: None,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    home = tmp_path_factory.mktemp("results")
    grids = home / "grids"
    grids.mkdir()
    rng = np.random.default_rng(4)
    days = pd.date_range("2017-01-01", "2019-12-31")
    months = pd.date_range("2017-01-01", "2019-12-01", freq="MS")
    cycle = np.sin(2 * np.pi * (days.day_of_year.to_numpy() - 100) / 365)[:, None, None]
    wet = 0.12 + 0.03 * cycle + rng.normal(0, 0.01, (days.size, *SHAPE))
    write(grids, "soil_moisture", wet.astype(np.float32), days, units="m3 m-3")
    warm = 15 * np.sin(2 * np.pi * (months.month.to_numpy() - 4) / 12)[:, None, None]
    write(
        grids, "temperature", warm + rng.normal(0, 1, (months.size, *SHAPE)), months, units="degC"
    )
    write(grids, "elevation", rng.uniform(2000, 4000, SHAPE), units="m", total="none")
    write(grids, "slope", rng.uniform(0, 30, SHAPE), units="degree", total="none")
    write(grids, "aspect", rng.uniform(0, 360, SHAPE), units="degree", kind="circular")
    write(grids, "vegetation", rng.integers(1, 4, SHAPE) * 1.0, kind="categorical")
    write(grids, "lai", rng.uniform(0, 3, (3, *SHAPE)), pd.date_range("2017", periods=3, freq="YS"))
    return home


def run(results: Path, step: str, options):
    context = context_of(results, {step: options}, step)
    found = STEPS[step].STEP.run(context)
    for name, result in found.items():
        save_result(context.folder, name, result)
    return {name: load_result(results, f"{step}/{name}") for name in found}


def test_variation_writes_cubes_and_a_chapter(results):
    found = run(results, "variation", {"bands": {"count": 2}})
    table = found["summary"].data
    assert list(dict.fromkeys(table["variable"])) == ["soil_moisture", "lai", "temperature"]
    assert "lai-years" in found  # one value a year has years and a trend, but no mean year
    assert "lai-cycle" not in found
    assert "temperature-cv_monthly" not in found
    monthly = xr.open_zarr(results / "variation" / "soil_moisture-month.zarr", decode_coords="all")
    assert monthly["soil_moisture"].shape == (36, *SHAPE)
    assert "spatial_ref" in monthly.coords

    chapter = variation_chapter.make_section(found, None)
    assert "0.12" in chapter.headline[0]
    assert "n = 3 years" in chapter.headline[0]
    assert any("nothing could pass" in text for text in chapter.headline)
    assert any("3 years are few" in text for text in chapter.cautions)
    figures = [block for block in chapter.blocks if isinstance(block, FigureBlock)]
    assert len({block.name for block in figures}) == len(figures) >= 9
    for block in figures:
        assert block.draw().axes
        assert block.alt
    assert any(isinstance(block, TableBlock) for block in chapter.blocks)


@pytest.fixture(scope="module")
def yearly(tmp_path_factory) -> Path:
    """Twenty-four years whose soil moisture follows rain, and drops after the twelfth."""
    home = tmp_path_factory.mktemp("yearly")
    (home / "grids").mkdir()
    rng, times = np.random.default_rng(8), pd.date_range("1996", periods=24, freq="YS")
    rain = 400 + rng.normal(0, 60, (24, 1, 1)) + rng.normal(0, 10, (24, *SHAPE))
    drop = np.where(np.arange(24) < 12, 0.0, -0.03)[:, None, None]
    wet = 0.05 + 0.0005 * rain + drop + rng.normal(0, 0.004, (24, *SHAPE))
    write(home / "grids", "soil_moisture", wet, times, units="m3 m-3")
    write(home / "grids", "precipitation", rain, times, units="mm", total="sum")
    return home


def test_rain_neighbours_and_breaks_reach_results_and_chapter(yearly):
    options = {"rain": "precipitation", "neighbours": 1, "max_breaks": 1, "bands": None}
    found = run(yearly, "variation", options)
    breaks = found["soil_moisture-breaks"].data.set_index("of")
    # rain hides the drop in the mean; without its part it is found in the year it was put
    assert breaks.loc["adjusted", "time"] == 2007
    assert breaks.loc["adjusted", "low"] <= 2007 <= breaks.loc["adjusted", "high"]
    assert breaks.loc["adjusted", "p"] < 0.05
    assert len(found["soil_moisture-breaks"].data) == 2
    adjusted = found["soil_moisture-adjusted"].data
    assert float(adjusted["slope"].mean()) < -0.0005
    assert "precipitation-adjusted" not in found
    assert "neighbours up to 1" in found["soil_moisture-trend"].data.attrs["test"]
    chapter = variation_chapter.make_section(found, None)
    assert {"soil_moisture-adjusted"} <= {
        block.name for block in chapter.blocks if isinstance(block, FigureBlock)
    }
    said = " ".join([*chapter.headline, *(getattr(b, "text", "") for b in chapter.blocks)])
    assert "adjusted, changed after 2007" in said
    assert "Adjusted for precipitation, cell by cell" in said


def test_without_breaks_rain_or_neighbours_there_are_none(yearly):
    found = run(yearly, "variation", {"max_breaks": 0, "bands": None})
    assert "soil_moisture-breaks" not in found
    assert "soil_moisture-adjusted" not in found
    assert "neighbours" not in found["soil_moisture-trend"].data.attrs["test"]
    wrong = context_of(yearly, {"variation": {"rain": "rian"}}, "variation").study
    with pytest.raises(StudyError, match="rian"):
        variation.STEP.options(wrong)


def test_correlation_compares_maps_and_common_months(results):
    found = run(results, "correlation", {})
    matrix = found["matrix"].data
    assert set(matrix["first"]) | set(matrix["second"]) == {
        "soil_moisture",
        "temperature",
        "elevation",
        "slope",
        "aspect",
        "lai",
    }
    assert [name for name in found if name.startswith("with-")] == ["with-lai", "with-temperature"]
    assert found["with-lai"].data.attrs["unit"] == "years"
    assert int(found["with-lai"].data["n"].max()) == 3
    assert {"p", "n_effective", "p_effective"} <= set(matrix.columns)
    assert found["lags"].data.sizes["factor"] == 1
    assert "months-temperature" not in found  # three years are too few
    assert int(found["with-temperature"].data["n"].max()) == 36
    chapter = correlation_chapter.make_section(found, None)
    assert "independent cells" in chapter.headline[0]
    assert "n = 36 months in every cell" in " ".join(chapter.headline)
    for block in chapter.blocks:
        if isinstance(block, FigureBlock):
            assert block.draw().axes


def test_a_study_of_single_maps_has_only_the_matrix(results, tmp_path):
    (tmp_path / "grids").mkdir()
    for name in ("elevation", "slope", "aspect"):
        (tmp_path / "grids" / f"{name}.zarr").symlink_to(results / "grids" / f"{name}.zarr")
    context = context_of(tmp_path, {"correlation": {"of": "elevation", "with": ["slope"]}}, "c")
    found = correlation.STEP.run(context)
    assert list(found) == ["matrix"]
    chapter = correlation_chapter.make_section(found, None)
    assert any("no common months" in getattr(block, "text", "") for block in chapter.blocks)
    context = context_of(tmp_path, {"variation": {}}, "v")
    with pytest.raises(DataError, match="no variable changes in time"):
        variation.STEP.run(context)


@pytest.mark.parametrize("name", ["elevation", "vegetation"])
def test_what_cannot_be_described_is_refused_when_asked_for(results, name):
    context = context_of(results, {"variation": {"of": [name]}}, "variation")
    with pytest.raises(DataError, match="cannot be described"):
        variation.STEP.run(context)


def test_options_are_part_of_what_a_step_depends_on(results):
    study = context_of(results, {"variation": {}, "correlation": {}}, "variation").study
    assert variation.STEP.options(study)["growing_season"] == (5, 10)
    assert correlation.STEP.options(study)["of"] == "soil_moisture"
    silent = SimpleNamespace(variation=None, correlation=None)
    assert variation.STEP.options(silent) is None
    assert correlation.STEP.options(silent) is None


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"variation": {"of": ["soil_mosture"]}}, "Did you mean 'soil_moisture'"),
        ({"correlation": {"with": ["elevatoin"]}}, "Did you mean 'elevation'"),
        ({"correlation": {"of": "slope", "with": ["slope"]}}, "other than the target"),
    ],
)
def test_unknown_variables_are_named(results, table, words):
    study = context_of(results, table, "variation").study
    step = STEPS[next(iter(table))].STEP
    with pytest.raises(StudyError, match=words):
        step.options(study)


def test_unknown_keys_and_impossible_values_are_refused():
    for options in (
        {"min_covrage": 0.5},
        {"min_coverage": 0.0},
        {"alpha": 1.0},
        {"bands": {"count": 1}},
    ):
        with pytest.raises(ValidationError):
            variation.VariationOptions.model_validate(options)
    assert correlation.CorrelationOptions.model_validate({"with": ["a"]}).with_ == ("a",)
