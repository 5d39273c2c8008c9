"""Every class of results can be drawn, tabulated and shown in a notebook.

``tests/data/results-of-every-class.zip`` holds one saved result of each class, cut to a few cells
or rows, from the virtual headwater and the examples of the docstrings; what cannot be saved whole
is made here.
"""

import zipfile
from dataclasses import fields
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes

from headwater.errors import ResumeError
from headwater.results import MapResult, Result, TableResult
from headwater.study import load_result, save_result
from headwater.study.results_io import HOME_OF_RESULT, result_class

SAVED = Path(__file__).parents[1] / "data" / "results-of-every-class.zip"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("results")
    with zipfile.ZipFile(SAVED) as file:
        file.extractall(home)
    return home


def example(folder: Path, name: str) -> Result:
    make = globals().get(f"make_{name}")
    return load_result(folder, name) if make is None else make(folder)


def make_AdjustedTrend(folder: Path) -> Result:
    from headwater.variation.adjusted import adjusted_trend_map

    maps = load_result(folder, "TrendMap").data
    rng = np.random.default_rng(0)
    years = pd.date_range("2001-01-01", periods=15, freq="YS")
    cube = maps["slope"].expand_dims(time=years).copy()
    rain = cube.copy(data=rng.normal(500.0, 50.0, cube.shape)).rename("rain")
    wet = rain.copy(data=rain.values / 2e3 + rng.normal(0.0, 0.01, cube.shape)).rename("theta")
    for one, units in ((rain, "mm"), (wet, "m3 m-3")):
        one.attrs = {"units": units, "period": "year"}
    return adjusted_trend_map(wet, rain)


def make_MonthlySeries(folder: Path) -> Result:
    from headwater.variation.results_of import monthly_series

    maps = load_result(folder, "TrendMap").data
    months = pd.date_range("2001-01-01", periods=24, freq="MS")
    cube = maps["slope"].fillna(0.0).expand_dims(time=months).copy().rename("theta")
    cube.attrs = {"units": "m3 m-3", "long_name": "Soil moisture"}
    return monthly_series(cube + xr.DataArray(np.arange(24.0), dims="time"))


def make_EmmaResult(folder: Path) -> Result:
    from headwater.isotopes import emma

    rng = np.random.default_rng(0)
    mixed = rng.dirichlet([1, 1, 1], 80) @ rng.uniform(0, 9, (3, 5))
    frame = pd.DataFrame(mixed + rng.normal(0, 0.05, (80, 5)), columns=list("abcde"))
    return emma(frame, list("abcde"), rng=rng)


def make_MixLikelihood(folder: Path) -> Result:
    from headwater.isotopes import compose_stated, mix_carrera

    ends = {"source": ["rain", "ice"], "d18O": [-20.0, -10.0], "d18O_sd": [1.0, 1.0], "n": [50, 40]}
    soil = {"source": ["a", "b"], "d18O": [-13.0, -16.0], "d18O_sd": [0.1, 0.1]}
    parts = [compose_stated(pd.DataFrame(one), ["d18O"]) for one in (ends, soil)]
    return mix_carrera(*parts)


def make_VegetationForecast(folder: Path) -> Result:
    from headwater.vegetation.results import VegetationForecast

    del folder
    rows = pd.DataFrame({"zone": "low", "quantity": ["cover"] * 4 + ["water"] * 4})
    rows["lead"] = [1, 2, 3, 4] * 2
    for share, name in enumerate(("low", "lower", "median", "upper", "high"), start=1):
        rows[name] = 0.1 * share
    rows["normal"], rows["observed"] = 0.32, 0.28
    rows["skill"], rows["skill_low"] = 0.3, 0.1
    return VegetationForecast(rows, "Weather of other years.")


def make_RainSeasons(folder: Path) -> Result:
    from headwater.chapters.warning.results import RainSeasons

    del folder
    rows = pd.DataFrame({"season": [2019, 2020], "index": [-0.4, -2.1], "p": [0.7, 0.1]})
    return RainSeasons(rows.assign(month=["2019-07", "2020-08"], dry=[False, True]), "Ranks.")


def make_CoverSeries(folder: Path) -> Result:
    from headwater.vegetation.results import CoverSeries

    del folder
    days = pd.date_range("2001-01-04", periods=6, freq="8D")
    rows = pd.DataFrame({"place": "meadow", "time": days, "cover": 0.3, "smooth": 0.31})
    return CoverSeries(rows, "Cover at steps of eight days.")


def make_PlaceGrades(folder: Path) -> Result:
    from headwater.vegetation.results import PlaceGrades

    del folder
    rows = pd.DataFrame({"place": ["a", "b"], "damage": [12.0, np.nan], "grade": ["light", None]})
    rows["damage_low"], rows["damage_high"] = rows["damage"] - 5.0, rows["damage"] + 5.0
    return PlaceGrades(rows, "Loss.", edges=(10.0, 20.0), grades=("none", "light", "moderate"))


def make_HierarchicalPosterior(folder: Path) -> Result:
    from headwater.isotopes.mixing.hierarchical import HierarchicalPosterior

    flat = load_result(folder, "MixingPosterior")
    return HierarchicalPosterior(flat.data, flat.method, draws=flat.draws, divergences=0)


def make_PredictiveScore(folder: Path) -> Result:
    from headwater.isotopes.mixing.hierarchical_checks import PredictiveScore

    rows = pd.DataFrame({"row": [0, 1], "elpd": [-1.2, -0.8], "pareto_k": [0.1, 0.4]})
    return PredictiveScore(rows, "Leave-one-out.", elpd=-2.0, se=0.3)


def make_LocalMaps(folder: Path) -> Result:
    from headwater.detector.local import local_q

    slope = load_result(folder, "TrendMap").data["slope"]
    half = np.tile([0, 1], (slope.shape[0], slope.shape[1] // 2))
    return local_q(slope.copy(data=half + slope.fillna(0.0).values), {"cover": half}, window=5)


def make_NetworkMap(folder: Path) -> Result:
    from headwater.chapters.network.maps import NetworkMap

    slope = load_result(folder, "TrendMap").data["slope"]
    cube = slope.expand_dims(time=pd.to_datetime(["2020-06-20"])).fillna(0.0)
    cube.attrs = {"units": "m3 m-3", "long_name": "Soil moisture"}
    maps = xr.Dataset({"soil_moisture": cube, "standard_error": cube + 0.1})
    maps["stations"] = ("time", [12])
    places = {
        "station_x": ("station", slope.x.values[:2]),
        "station_y": ("station", slope.y[:2].data),
    }
    about = {"quantity": "soil_moisture", "first_day": "2020-06-20", "last_day": "2020-06-20"}
    return NetworkMap(maps.assign_coords(places).assign_attrs(about), "Ordinary kriging.")


def card() -> Result:
    from headwater.validation import scorecard

    rng = np.random.default_rng(1)
    days = pd.date_range("2020-01-01", periods=200)
    truth = pd.DataFrame(rng.normal(0.25, 0.05, (200, 3)), days, list("ABC"))
    return scorecard(truth + rng.normal(0.01, 0.02, truth.shape), truth)


def make_Scorecard(folder: Path) -> Result:
    return card()


def make_StationScores(folder: Path) -> Result:
    from headwater.downscaling.results import StationScores

    return StationScores(card().data, "Scores.")


def make_StationMeasures(folder: Path) -> Result:
    from headwater.chapters.validation.tables import station_table

    where = {
        "station": list("ABC"),
        "longitude": [100.0, 100.2, 100.1],
        "latitude": [38.0, 38.1, 38.3],
    }
    return station_table(card(), pd.DataFrame(where))


def make_Importance(folder: Path) -> Result:
    from headwater.downscaling.results import Importance

    table = pd.DataFrame({"predictor": ["rain", "ndvi"], "rise": [0.03, 0.002]})
    table.attrs["units"] = {"rise": "m3 m-3"}
    return Importance(table, "The held-out RMSE rises by this when a predictor is shuffled.")


def make_TwinSkill(folder: Path) -> Result:
    from headwater.downscaling.plots import _NAMES, _PANELS
    from headwater.downscaling.results import TwinSkill

    rows = [{"draw": i, "method": m} | dict.fromkeys(_PANELS, 0.5) for i in (0, 1) for m in _NAMES]
    return TwinSkill(pd.DataFrame(rows), "Skill on synthetic truths.")


def drawn(figure: plt.Figure) -> int:
    return sum(
        len(axes.lines)
        + len(axes.collections)
        + len(axes.images)
        + len(axes.patches)
        + len(axes.texts)
        + len(axes.containers)
        for axes in figure.findobj(Axes)
    )


@pytest.mark.parametrize("name", sorted(HOME_OF_RESULT))
def test_every_class_of_results_is_drawn_tabulated_and_shown(folder: Path, name: str) -> None:
    result = example(folder, name)
    assert type(result) is result_class(name)
    whole, axes = plt.subplots(2, 1)
    part = result.plot(ax=axes[1])
    assert part in whole.subfigs
    assert axes[0] in whole.axes
    if len(result.data):
        assert drawn(part) > 0
    plt.close(whole)
    table, maps = result.to_frame(), result.to_dataset()
    assert isinstance(table, pd.DataFrame)
    assert isinstance(maps, xr.Dataset)
    if not isinstance(result, MapResult):
        assert len(table) == len(result.data) == maps.sizes["index"]
    assert result.method[:20] in result._repr_html_() or "&" in result._repr_html_()


def test_a_picture_without_a_design_says_what_it_leaves_out() -> None:
    numbers = {f"v{i}": np.arange(50.0) + i for i in range(6)}
    table = pd.DataFrame({"place": [f"p{i}" for i in range(50)], **numbers})
    table["v0_low"], table["v0_high"] = table["v0"] - 1, table["v0"] + 1
    table.attrs["units"] = {"v0": "mm"}
    figure = TableResult(table, "Numbers.").plot()
    assert figure.get_supxlabel() == "10 more rows and 2 more columns in the table"
    assert [axes.get_xlabel() for axes in figure.axes] == ["v0 [mm]", "v1", "v2", "v3"]
    assert figure.axes[1].lines[0].get_xdata().tolist() == list(range(1, 41))
    assert figure.axes[0].get_yticklabels()[3].get_text() == "p3"
    whiskers = figure.axes[0].collections[0].get_segments()
    assert whiskers[5][:, 0].tolist() == [4.0, 6.0]


def test_maps_without_a_design_are_panels_of_their_values() -> None:
    values = xr.DataArray(np.arange(24.0).reshape(2, 3, 4), dims=("time", "y", "x"))
    flat = values[0].assign_attrs(units="mm")
    figure = MapResult(xr.Dataset({"rain": flat, "cube": values}), "Maps.").plot()
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in panels] == ["rain", "cube, first time"]
    assert panels[0].images[0].get_array().tolist() == flat.values.tolist()


def test_text_that_comes_back_as_missing_is_drawn_as_none(folder: Path) -> None:
    audit = load_result(folder, "AuditReport")
    assert audit.data["period"].isna().all()
    words = [text.get_text() for axes in audit.plot().axes for text in axes.texts]
    assert any("meadow" in text and "nan" not in text for text in words)


@pytest.mark.parametrize("name", sorted(HOME_OF_RESULT))
def test_every_class_of_results_is_saved_and_comes_back(
    folder: Path, tmp_path: Path, name: str
) -> None:
    result = example(folder, name)
    save_result(tmp_path, name, result)
    again = load_result(tmp_path, name)
    assert type(again) is type(result)
    assert again.fingerprint == result.fingerprint
    for entry in fields(result):
        one, two = getattr(result, entry.name), getattr(again, entry.name)
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(two, one, check_index_type=False)
        elif isinstance(one, pd.Series):
            pd.testing.assert_series_equal(two, one, check_index_type=False, check_freq=False)


@pytest.mark.parametrize(("name", "lost"), [("MixingPosterior", 3), ("TrendMap", 200)])
def test_a_result_that_was_cut_is_refused(
    folder: Path, tmp_path: Path, name: str, lost: int
) -> None:
    data = save_result(tmp_path, name, example(folder, name))[0]
    data.write_bytes(data.read_bytes()[:-lost])
    with pytest.raises(ResumeError, match=rf"no readable result.*{name}.*--fresh"):
        load_result(tmp_path, name)
