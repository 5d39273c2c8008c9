"""Further detectors by name: from the study file, from the command line and by themselves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from headwater.chapters.detector.section import make_section
from headwater.cli import app
from headwater.detector import idsa, q_series, srsgd
from headwater.detector.detection import detect_sample
from headwater.detector.further import FURTHER
from headwater.detector.rough_sets import nearest_units, queen_units
from headwater.detector.sample import read_sample
from headwater.detector.search_options import Search
from headwater.detector.spatial_association import psd, spatial_variance
from headwater.detector.strata import stratify
from headwater.errors import StudyError

SIDE = 24


@pytest.fixture(scope="module")
def maps() -> xr.Dataset:
    rng = np.random.default_rng(1)
    rain, snow = (gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.5) * 5 for _ in range(2))
    theta = rain + 0.4 * rng.normal(size=rain.shape)
    cover = np.where(snow > 0, "meadow", "steppe").astype(object)
    layers = {"theta": theta, "rain": rain, "snow": snow, "cover": cover}
    coords = {"y": np.arange(SIDE, 0.0, -1.0), "x": np.arange(SIDE) * 1.0}
    return xr.Dataset({name: (("y", "x"), one) for name, one in layers.items()}, coords)


def test_every_further_detector_runs_on_maps_and_has_its_place_in_the_chapter(maps) -> None:
    sample = read_sample(maps, "theta")
    names = [name for name in FURTHER if name != "srsgd"]
    found = detect_sample(sample, classes=[3, 4], n_resamples=99, further=names)
    results = found.results()
    expected = {"gozh", "gozh_pairs", "lesh", "shegd", "shegd_pairs", "shares", "rgd", "rid"}
    assert expected | {"spade", "idsa", "scale", "local", "shift"} <= set(results)
    assert not any("left out" in text for text in found.factor.cautions)
    assert results["gozh"].data.iloc[0]["factor"] == "rain"
    assert results["idsa"].data.iloc[0]["factors"].startswith("rain")
    assert results["lesh"].data["share"].sum() == pytest.approx(results["lesh"].data.attrs["joint"])
    assert set(results["scale"].data["size"]) >= {1, 2, 3}
    shift = results["shift"].data.set_index("factor")
    assert shift.loc["rain", "p_shift"] < 0.05
    chapter = make_section(results, None)
    drawn = {block.name for block in chapter.blocks if hasattr(block, "name")}
    assert {f"detector-{name}" for name in ("gozh", "rgd", "spade", "idsa", "shift")} <= drawn
    assert chapter.headline[0].startswith("rain explains")


def test_a_table_leaves_out_what_needs_places_and_unknown_names_are_refused() -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.normal(size=(80, 2)), columns=["y", "rain"])
    found = detect_sample(read_sample(table, "y"), classes=[3], n_resamples=99, further=["spade"])
    assert found.further == {}
    assert found.factor.cautions[0].startswith("spade was left out: it needs to know which")
    with pytest.raises(StudyError, match="no such detector"):
        detect_sample(read_sample(table, "y"), classes=[3], n_resamples=99, further=["gohz"])


def test_nothing_explains_most_where_no_factor_passes_its_test() -> None:
    rng = np.random.default_rng(4)
    layers = {name: gaussian_filter(rng.normal(size=(SIDE, SIDE)), 3) for name in ("sm", "a", "b")}
    maps = xr.Dataset({name: (("y", "x"), one) for name, one in layers.items()})
    found = detect_sample(read_sample(maps, "sm"), classes=[3, 4], n_resamples=99)
    headline = make_section(found.results(), None).headline
    assert headline[0].startswith("No factor explains the pattern of sm beyond chance")
    assert headline[1].startswith("No pair is shown to explain more")


def test_commands_take_weights_rules_schemes_seed_and_methods(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    n = 300
    table = pd.DataFrame({"rain": rng.normal(size=n), "slope": rng.uniform(0, 30, n)})
    table["theta"] = np.where(table["rain"] > 0, 2.0, 0.0) + rng.normal(size=n)
    table["area"] = rng.uniform(1, 2, n)
    table.to_csv(tmp_path / "units.csv", index=False)
    command = ["detect", str(tmp_path / "units.csv"), "--y", "theta", "--weights", "area"]
    command += ["--rule", "quantile", "--strata", "slope=equal:6", "--draws", "99", "--seed", "7"]
    command += ["--method", "gozh", "--method", "rgd", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    factors = pd.read_csv(tmp_path / "out" / "factor.csv").set_index("factor")
    assert set(factors.index) == {"rain", "slope"}
    assert factors.loc["slope", ["method", "k"]].tolist() == ["equal", 6]
    assert factors.loc["rain", "method"] == "quantile"
    assert (tmp_path / "out" / "gozh.csv").exists()
    assert "gozh: " in done.output
    again = CliRunner().invoke(app, command)
    assert again.output.splitlines()[:5] == done.output.splitlines()[:5]
    wrong = CliRunner().invoke(app, [*command, "--strata", "slope"])
    assert wrong.exit_code != 0
    assert "factor=rule:count" in wrong.output


def test_pid_of_an_overlay_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(5)
    x, z = rng.normal(size=(2, 40))
    y = x + z + 0.1 * rng.normal(size=40)
    weights = np.ones((40, 40))
    table = idsa(y, {"x": x, "z": z}, weights, classes=[3]).data.set_index("factors")
    parts = {name: stratify(one, "quantile", 3) for name, one in {"x": x, "z": z}.items()}
    risks = {
        name: np.array([y[part.codes == code].mean() for code in range(3)])[part.codes]
        for name, part in parts.items()
    }
    lower = np.where(risks["x"] <= risks["z"], parts["x"].codes, 3 + parts["z"].codes)
    within = sum((lower == zone).sum() * y[lower == zone].var(ddof=1) for zone in np.unique(lower))
    theta = 1 - within / (40 * y.var(ddof=1))
    row = table.loc["x ∩ z"]
    assert row["theta"] == pytest.approx(theta)
    assert row["pid"] == pytest.approx(row["theta"] / row["phi"])
    assert table.loc["x", "phi"] == pytest.approx(psd(x, parts["x"], weights))
    assert spatial_variance(x, weights)[1][0] == pytest.approx(x.var(ddof=1))


def test_rough_sets_settle_what_strata_settle_and_no_more() -> None:
    rng = np.random.default_rng(6)
    soil = (gaussian_filter(rng.normal(size=(20, 20)), 1) > 0).ravel()
    cover = np.where(soil, "a", "b").astype(object)
    noise = rng.integers(0, 2, 400)
    around = queen_units(np.arange(400), (20, 20))
    found = srsgd(cover, {"soil": soil, "noise": noise}, around, n_resamples=99)
    table = found.factor.data.set_index("factor")
    assert table.loc["soil", "pd"] == 1.0
    assert table.loc["soil", "p_value"] == 0.01
    assert table.loc["noise", "pd"] < 0.9
    assert found.interaction is not None
    assert found.interaction.data["pd_12"][0] == 1.0
    assert queen_units(np.arange(400), (20, 20))[21].tolist() == [0, 1, 2, 20, 21, 22, 40, 41, 42]
    places = np.column_stack(np.divmod(np.arange(400), 20)).astype(float)
    assert set(nearest_units(places, 4)[21]) == {1, 20, 21, 22, 41}


def test_pairs_are_tested_in_every_period(maps) -> None:
    time = pd.date_range("2017", periods=2, freq="YS")
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 0.1, (2, SIDE, SIDE))
    theta = xr.DataArray(maps["theta"].values + noise, {"time": time}, ("time", "y", "x"))
    factors = {name: maps[name].drop_vars(["y", "x"]) for name in ("rain", "snow")}
    plan = Search(classes=(3, 4))
    found = q_series(theta, factors, search=plan, n_resamples=99)
    assert found.pairs is not None
    table = found.pairs.data
    assert table["period"].tolist() == ["2017", "2018"]
    assert table["differ"].all()
    assert (table["p_ecological"] < 0.05).all()
    assert set(found.series.data["period"]) == set(table["period"])
