"""The search, whole detections from maps and tables, their figures, the step and the chapter."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from headwater.chapters.detector.options import DetectorOptions, StrataOptions
from headwater.chapters.detector.section import make_section
from headwater.chapters.detector.step import STEP
from headwater.detector import detect, opgd
from headwater.detector.detection import detect_sample
from headwater.detector.optimal_parameters import best_strata
from headwater.detector.sample import read_sample
from headwater.detector.search_options import Scheme
from headwater.errors import DataError, StudyError
from headwater.figures import render
from headwater.grids import cell_area, write_zarr
from headwater.grids.geometry import grid_coords
from headwater.report.section import FigureBlock, TableBlock
from headwater.settings import Settings
from headwater.study.model import Study
from headwater.study.step import Context

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def maps() -> xr.Dataset:
    grid = GeoBox((30, 40), Affine(0.1, 0, 95, 0, -0.1, 39), "EPSG:4326")
    coords = dict(grid_coords(grid))
    rng = np.random.default_rng(11)
    shape = grid.shape
    rain = 300 + 100 * np.linspace(-1, 1, 40) + rng.normal(0, 8, shape)
    cover = (rain > 320).astype(float) + rng.integers(0, 2, shape)
    aspect = rng.uniform(0, 360, shape)
    theta = 0.05 + 4e-4 * rain + 0.01 * np.cos(np.radians(aspect)) + rng.normal(0, 0.01, shape)
    theta[0, :7] = np.nan
    aspect[1, :5] = np.nan

    def layer(values, name, units, kind="continuous"):
        attrs = {"long_name": name, "units": units, "kind": kind}
        return xr.DataArray(values, coords, ("y", "x"), attrs=attrs)

    return xr.Dataset(
        {
            "soil_moisture": layer(theta, "Soil moisture", "m3 m-3"),
            "precipitation": layer(rain, "Precipitation", "mm"),
            "vegetation": layer(cover, "Vegetation class", "1", "categorical"),
            "aspect": layer(aspect, "Aspect, clockwise from north", "degree", "circular"),
            "noise": layer(rng.normal(size=shape), "Noise", "1"),
        }
    )


@pytest.fixture(scope="module")
def found(maps: xr.Dataset):
    return detect(maps, "soil_moisture", classes=range(3, 6))


def test_drivers_are_ranked(found) -> None:
    table = found.factor.data
    assert table["factor"][0] == "precipitation"
    assert table["factor"].iloc[-1] == "noise"
    assert table["n"].unique().tolist() == [1200 - 12]
    assert any("soil_moisture 7, aspect 5" in choice for choice in found.factor.choices)


def test_maps_are_tested_against_maps_as_smooth(found) -> None:
    table = found.factor.data.set_index("factor")
    assert table.loc["aspect", "p_search"] < 0.01
    assert table.loc["noise", "p_search"] > 0.05
    assert (table["p_search"] >= table["p_spatial"] - 0.03).all()
    assert (table["q_chance"] > 0).all()
    # rain is a trend across the map and little else: such maps agree by chance
    assert table.loc["precipitation", "q_chance"] > 0.4
    assert table.loc["precipitation", "p_value"] < 1e-10


def test_kinds_decide_how_a_factor_is_parted(found) -> None:
    methods = found.optimal.best.set_index("factor")["method"]
    assert methods["vegetation"] == "categories"
    assert methods["aspect"] == "sectors"
    assert found.strata["vegetation"].names == ("0", "1", "2")


def test_maps_lie_on_the_grid(found, maps: xr.Dataset) -> None:
    strata, mean = found.maps.data["precipitation_stratum"], found.maps.data["precipitation_mean"]
    xr.testing.assert_equal(mean["x"], maps["x"])
    assert "spatial_ref" in mean.coords
    assert int(strata.count()) == 1188
    inside = strata == 1
    y = maps["soil_moisture"].values[inside.values].mean()
    np.testing.assert_allclose(mean.values[inside.values], y)
    assert mean.attrs["units"] == "m3 m-3"


@pytest.mark.parametrize("name", ["factor", "interaction", "optimal", "risk", "ecological", "maps"])
def test_results_draw_themselves(found, name: str, shows) -> None:
    figure = found.results()[name].plot()
    assert render(figure, "png", dpi=50).startswith(PNG)
    assert any(
        axes.get_title(loc="left") or axes.get_xlabel() or axes.images for axes in figure.axes
    )
    data = found.results()[name].data
    shows(figure, abs(data[["difference"]]) if name == "ecological" else data)


def test_areas_as_weights(maps: xr.Dataset) -> None:
    weighted = detect(
        maps.assign(area=cell_area(maps["soil_moisture"])),
        "soil_moisture",
        ["precipitation"],
        weights="area",
    )
    plain = detect(maps, "soil_moisture", ["precipitation"])
    one, two = weighted.factor.data["q"][0], plain.factor.data["q"][0]
    assert one == pytest.approx(two, abs=0.01)
    assert one != two
    assert weighted.interaction is None
    assert weighted.factor.data["q_chance"][0] != plain.factor.data["q_chance"][0]
    assert "Units are weighted." in weighted.factor.choices


def test_pairwise_uses_all_that_each_factor_has(maps: xr.Dataset) -> None:
    sample = read_sample(maps, "soil_moisture", missing="pairwise")
    n = detect_sample(sample, classes=[4]).factor.data.set_index("factor")["n"]
    assert (n["precipitation"], n["aspect"]) == (1193, 1188)


def test_a_table_of_any_types() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "theta": rng.normal(size=90),
            "text": rng.choice(["a, b", "a", "b;c"], 90),
            "flag": rng.integers(0, 2, 90).astype(bool),
            "code": rng.choice([0.1, 0.5], 90),
            "count": rng.integers(0, 50, 90),
            "shrub": pd.Categorical(rng.choice(["x", "y"], 90)),
        }
    )
    found = detect(table, "theta", kinds={"code": "categorical"}, classes=[3, 4])
    methods = found.optimal.best.set_index("factor")["method"]
    assert (methods[["text", "flag", "code", "shrub"]] == "categories").all()
    assert found.strata["code"].names == ("0.1", "0.5")
    assert any("count: whole numbers" in choice for choice in found.factor.choices)
    assert found.maps is None


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"x": np.full(50, np.nan)}, "'x' has no values"),
        ({"x": np.full(50, 3.0)}, "constant"),
        ({"theta": np.full(50, 0.3)}, "constant"),
        ({"theta": np.full(50, np.nan)}, "'theta' has no values"),
        ({"x": np.where(np.arange(50) < 5, np.inf, np.arange(50.0))}, "infinite"),
    ],
)
def test_bad_tables_are_refused(change: dict, wrong: str) -> None:
    table = pd.DataFrame({"theta": np.sin(np.arange(50.0)), "x": np.arange(50.0)} | change)
    with pytest.raises(DataError, match=wrong):
        detect(table, "theta")


def test_bad_names_are_refused(maps: xr.Dataset) -> None:
    with pytest.raises(DataError, match="precipitation"):
        detect(maps, "soil_moisture", ["precipitaton"])
    with pytest.raises(DataError, match="other than the response"):
        detect(maps, "soil_moisture", ["soil_moisture"])
    with pytest.raises(DataError, match="not a map"):
        detect(maps.expand_dims("time"), "soil_moisture")
    with pytest.raises(DataError, match="Use categorical"):
        detect(pd.DataFrame({"y": [1.0, 2.0], "x": ["a", "b"]}), "y", kinds={"x": "continuous"})


def test_zero_inflated_factor_keeps_the_candidates_that_work() -> None:
    rng = np.random.default_rng(4)
    rain = np.where(rng.uniform(size=300) < 0.7, 0.0, rng.gamma(2, 5, 300))
    table = opgd(0.1 * rain + rng.normal(size=300), {"rain": rain}).data
    reasons = table.groupby("method")["refused"].agg(" ".join)
    assert "positive" in reasons["geometric"]
    quantiles = table[table["method"] == "quantile"]
    assert (quantiles["strata"] < quantiles["k"]).any()
    assert (quantiles.loc[quantiles["strata"] < quantiles["k"], "refused"] == "").any()
    assert table["chosen"].sum() == 1
    assert table.loc[table["chosen"], "smallest"].item() >= 2


def test_choice_follows_the_criterion() -> None:
    rng = np.random.default_rng(8)
    x = rng.uniform(size=300)
    y = np.floor(4 * x) + rng.normal(size=300)
    best = {
        by: int(opgd(y, {"x": x}, methods=["equal"], by=by).best["k"][0])
        for by in ("q", "q_adjusted", "q_cv")
    }
    assert best["q"] == 8
    assert best["q_cv"] == 4
    with pytest.raises(StudyError, match="q_adjusted"):
        opgd(y, {"x": x}, by="adjusted")


def test_fixed_strata_are_taken_as_told() -> None:
    x = {"a": np.arange(60.0), "b": np.arange(60.0)}
    fixed = {"a": Scheme("equal", 7), "b": Scheme("given", breaks=(0.0, 12.5, 100.0))}
    found = opgd(np.sin(np.arange(60.0)), x, fixed=fixed)
    assert found.best["strata"].tolist() == [7, 2]
    assert best_strata(x, found)["b"].breaks == (0.0, 12.5, 100.0)
    assert len(found.data) == 2


def test_chapter(found, maps: xr.Dataset) -> None:
    chapter = make_section(found.results(), None)
    # a trend across the map is not shown to go beyond chance, however large its q
    assert chapter.headline[0].startswith("Of the factors that pass their test, Aspect explains")
    assert "Precipitation has a larger q, 0." in chapter.headline[0]
    assert "not shown to go beyond chance" in chapter.headline[0]
    assert "n = 1188 cells" in chapter.headline[0]
    names = [block.name for block in chapter.blocks if isinstance(block, FigureBlock | TableBlock)]
    assert {"detector-factors", "detector-interactions", "detector-search"} <= set(names)
    assert any("smooth fields" in caution for caution in chapter.cautions)
    assert any("precipitation: " in sentence for sentence in chapter.methods)
    for block in chapter.blocks:
        if isinstance(block, FigureBlock):
            assert block.draw().axes


def test_chapter_of_one_factor(maps: xr.Dataset) -> None:
    chapter = make_section(detect(maps, "soil_moisture", ["vegetation"]).results(), None)
    names = [block.name for block in chapter.blocks if isinstance(block, FigureBlock | TableBlock)]
    assert "detector-interactions" not in names
    assert "detector-search" not in names


def test_options_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="fewest and the most"):
        DetectorOptions(classes=(8, 3))
    with pytest.raises(ValueError, match="belong together"):
        StrataOptions(method="given")
    assert DetectorOptions().by == "q_cv"


def test_step_reduces_cubes_and_snapshots_to_maps(maps: xr.Dataset, tmp_path) -> None:
    days = pd.date_range("2019-01-01", "2020-12-31", freq="MS")
    season = xr.DataArray(np.arange(days.size) % 12.0, {"time": days}, "time")
    theta = maps["soil_moisture"] + 0.001 * season
    theta.attrs = maps["soil_moisture"].attrs
    rain = (maps["precipitation"] / 12).expand_dims(time=days)
    rain.attrs = maps["precipitation"].attrs | {"total": "sum"}
    snapshot = maps["noise"].expand_dims(time=days[:1])
    layers = {
        "soil_moisture": theta,
        "precipitation": rain,
        "noise": snapshot,
        "vegetation": maps["vegetation"],
    }
    (tmp_path / "grids").mkdir()
    for name, layer in layers.items():
        ordered = layer.transpose(..., "y", "x").rename(name)
        chunks = dict.fromkeys(map(str, ordered.dims), -1)
        write_zarr(ordered.to_dataset(), tmp_path / "grids" / f"{name}.zarr", chunks=chunks)
    study = Study.model_validate(
        {
            "study": {"name": "Test"},
            "inputs": {
                "soil_moisture": {"path": "a.nc"},
                "precipitation": {"path": "b.nc"},
                "vegetation": {"path": "c.tif"},
                "noise": {"path": "d.nc", "units": "1", "long_name": "Noise"},
            },
            "detector": {
                "classes": [3, 4],
                "strata": {"precipitation": {"method": "natural", "count": 6}},
                "weights": "area",
            },
        }
    )
    context = Context(
        study=study,
        settings=Settings(),
        folder=tmp_path,
        results=tmp_path,
        area=None,
        rng=np.random.default_rng(0),
        progress=lambda fraction, what: None,
    )
    results = STEP.run(context)
    series = results["series"].data
    assert series["period"].tolist() == ["2019"] * 3 + ["2020"] * 3
    assert results["series"].leaders["factor"].tolist() == ["precipitation", "precipitation"]
    best = results["optimal"].data.query("chosen").set_index("factor")
    assert best.loc["precipitation", ["method", "strata"]].tolist() == ["natural", 6]
    choices = results["factor"].choices
    assert "soil_moisture: mean over months 5 to 10, averaged over the years." in choices
    assert "precipitation: total over the year, averaged over the years." in choices
    assert "noise: the one map of 2019-01-01 that there is." in choices
    growing = maps["soil_moisture"] + 0.001 * 6.5
    mean = results["risk"].data.query("factor == 'noise'")
    assert (mean["mean"] * mean["n"]).sum() / mean["n"].sum() == pytest.approx(
        float(growing.mean()), abs=1e-4
    )


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ({"response": "soil_mosture"}, "soil_moisture"),
        ({"factors": ["soil_moisture"]}, "other than the response"),
        ({"strata": {"ndvi": {}}}, "no factor"),
    ],
)
def test_step_refuses_names_before_computing(table: dict, wrong: str) -> None:
    study = Study.model_validate(
        {
            "study": {"name": "Test"},
            "inputs": {"soil_moisture": {"path": "a.nc"}, "precipitation": {"path": "b.nc"}},
            "detector": table,
        }
    )
    with pytest.raises(StudyError, match=wrong):
        STEP.options(study)
