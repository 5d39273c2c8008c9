"""A model trained on cells predicts pixels, leaks nothing, and says what it was not given."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from sklearn.linear_model import LinearRegression

from headwater.downscaling.predictors import Predictors, build_predictors
from headwater.downscaling.support_operator import Support, support
from headwater.downscaling.training import Recipe, fit_downscaling
from headwater.downscaling.wavelets import Coupling
from headwater.errors import DataError, GridError, TimeAxisError

DAYS = np.arange("2020-01-01", "2020-06-29", dtype="datetime64[D]")
SHAPE = (DAYS.size, 20, 28)
SMALL = Recipe(("forest",), Coupling("none"), "none", trees=20, fold_count=0, workers=1)


@pytest.fixture(scope="module")
def operator() -> Support:
    coarse = GeoBox((5, 7), Affine(0.2, 0, 95, 0, -0.2, 38), "EPSG:4326")
    return support(coarse, GeoBox((20, 28), Affine(0.05, 0, 95, 0, -0.05, 38), "EPSG:4326"))


@pytest.fixture(scope="module")
def world(operator: Support) -> tuple[np.ndarray, np.ndarray, Predictors]:
    """Moisture that a map and a slow wave make, seen through a predictor with white noise."""
    rng = np.random.default_rng(1)
    row, column = np.indices(SHAPE[1:])
    place = 0.04 * np.sin(row / 3.0) * np.cos(column / 4.0)
    waves = 0.05 * np.cos(np.arange(DAYS.size) / 12.0)
    truth = 0.25 + place + waves[:, None, None] * (1 + 10 * place)
    heat = 300.0 - 50.0 * truth + rng.normal(0, 3.0, SHAPE)
    rain = rng.gamma(0.3, 5.0, SHAPE)
    coarse = operator.aggregate(truth).value + rng.normal(0, 0.005, (DAYS.size, 35))
    coarse[rng.random(coarse.shape) < 0.5] = np.nan
    known = build_predictors(
        {"heat": heat.astype(np.float32), "precipitation": rain.astype(np.float32)},
        {"clay": (place + rng.normal(0, 0.02, place.shape)).astype(np.float32)},
        DAYS,
    )
    return truth, coarse, known


def error(maps: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((maps - truth) ** 2)))


def test_matched_noise_lowers_the_fine_error(world, operator) -> None:
    truth, coarse, known = world
    plain = fit_downscaling(coarse, known, operator, SMALL, rng=np.random.default_rng(1))
    matched = fit_downscaling(
        coarse, known, operator, replace(SMALL, noise="matched"), rng=np.random.default_rng(1)
    )
    assert plain.noise == {}
    assert matched.noise["heat"] == pytest.approx(3.0, rel=0.1)
    assert error(matched.predict(), truth) < 0.9 * error(plain.predict(), truth)


def test_bands_and_smoothing_lower_the_fine_error(world, operator) -> None:
    truth, coarse, known = world
    plain = error(
        fit_downscaling(coarse, known, operator, SMALL, rng=np.random.default_rng(1)).predict(),
        truth,
    )
    for kind in ("smooth", "bands"):
        model = fit_downscaling(
            coarse,
            known,
            operator,
            replace(SMALL, coupling=Coupling(kind)),
            rng=np.random.default_rng(1),
        )
        assert len(model.models) == (2 if kind == "bands" else 1)
        assert error(model.predict(), truth) < 0.94 * plain


def test_the_default_is_the_matched_mean_of_two_in_bands(world, operator) -> None:
    truth, coarse, known = world
    model = fit_downscaling(coarse, known, operator, Recipe(trees=20), rng=np.random.default_rng(1))
    assert model.recipe.coupling.kind == "bands"
    assert len(model.models[0].members) == 2
    assert error(model.predict(), truth) < 0.035


@pytest.mark.parametrize("kind", ["space", "time", "space-time"])
def test_a_random_target_gives_no_skill(world, operator, kind: str) -> None:
    _, coarse, known = world
    target = np.random.default_rng(8).normal(0.2, 0.05, coarse.shape)
    target[np.isnan(coarse)] = np.nan
    recipe = replace(SMALL, folds=kind, fold_count=3, noise="matched")
    blocked = fit_downscaling(
        target, known, operator, recipe, rng=np.random.default_rng(1)
    ).scores.iloc[-1]
    assert blocked["kind"] == f"out of fold, {kind}"
    assert blocked["n"] == np.isfinite(target).sum()
    assert abs(blocked["r"]) < 0.06


def test_random_folds_lie_where_places_last_and_blocks_do_not(world, operator) -> None:
    _, coarse, known = world
    row, column = np.indices(SHAPE[1:]).astype(np.float32)
    known = replace(known, static={"north": row, "east": column})
    lasting = np.random.default_rng(9).normal(0.2, 0.05, coarse.shape[1])
    target = np.where(np.isfinite(coarse), lasting, np.nan)
    r = {}
    for kind in ("random", "space", "space-time"):
        recipe = replace(SMALL, folds=kind, fold_count=3)
        r[kind] = (
            fit_downscaling(target, known, operator, recipe, rng=np.random.default_rng(1))
            .scores["r"]
            .iloc[-1]
        )
    assert r["random"] > 0.6
    assert max(r["space"], r["space-time"]) < 0.3


def test_out_of_fold_is_the_mean_of_fine_predictions(world, operator) -> None:
    _, coarse, known = world
    recipe = replace(SMALL, learners=(LinearRegression(),), fold_count=3)
    model = fit_downscaling(coarse, known, operator, recipe, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(np.isnan(model.out_of_fold), np.isnan(coarse))
    # a straight line through all but a third differs little from that through all
    whole = operator.aggregate(model.predict().astype(float)).value
    there = np.isfinite(coarse)
    assert np.abs(model.out_of_fold - whole)[there].max() < 0.02
    assert model.scores["rmse"].iloc[-1] < 0.02


def test_importance_finds_what_matters(world, operator) -> None:
    _, coarse, known = world
    table = fit_downscaling(
        coarse, known, operator, replace(SMALL, fold_count=3), rng=np.random.default_rng(1)
    ).importance
    assert table["predictor"].iloc[0] == "heat"
    assert table["rise"].iloc[0] > 10 * abs(table["rise"].iloc[-1])


def test_the_same_seed_gives_the_same_bits_on_any_number_of_workers(world, operator) -> None:
    _, coarse, known = world
    recipe = Recipe(trees=10, fold_count=2, rows=800, workers=1)
    one = fit_downscaling(coarse, known, operator, recipe, rng=np.random.default_rng(5))
    two = fit_downscaling(
        coarse, known, operator, replace(recipe, workers=3), rng=np.random.default_rng(5)
    )
    np.testing.assert_array_equal(one.predict(DAYS[:9]), two.predict(DAYS[:9]))
    np.testing.assert_array_equal(one.out_of_fold, two.out_of_fold)
    assert one.importance.equals(two.importance)
    other = fit_downscaling(coarse, known, operator, recipe, rng=np.random.default_rng(6))
    assert (one.predict(DAYS[:9]) != other.predict(DAYS[:9])).any()


def test_streamed_in_any_blocks_is_the_whole(world, operator) -> None:
    _, coarse, known = world
    model = fit_downscaling(coarse, known, operator, SMALL, rng=np.random.default_rng(1))
    whole = model.predict(DAYS[10:31])
    assert whole.shape == (21, 20, 28)
    assert whole.dtype == np.float32
    parts = list(model.stream(DAYS[10:31], block=5))
    np.testing.assert_array_equal(np.concatenate([maps for _, maps in parts]), whole)
    np.testing.assert_array_equal(np.concatenate([days for days, _ in parts]), DAYS[10:31])
    with pytest.raises(TimeAxisError, match="do not cover all days"):
        model.predict(np.datetime64("2021-01-01"))


def test_days_without_observation_and_gaps_are_told(world, operator) -> None:
    _, coarse, known = world
    heat = known.dynamic["heat"].copy()
    heat[40:44, :8] = np.nan
    heat[:, 16:, 24:] = np.nan
    bare = coarse.copy()
    bare[20:30] = np.nan
    gappy = replace(known, dynamic={**known.dynamic, "heat": heat})
    model = fit_downscaling(bare, gappy, operator, SMALL, rng=np.random.default_rng(1))
    notes = " ".join(model.notes)
    assert "10 of 180 days have no coarse observation" in notes
    assert "heat:" in notes
    assert "observations lack a predictor" in notes
    maps = model.predict(DAYS[40:42])
    assert np.isnan(maps[:, 16:, 24:]).all()
    assert np.isfinite(maps[:, :8]).all()


def test_fewer_cells_than_predictors_is_told(world, operator) -> None:
    _, coarse, known = world
    few = operator.only(np.arange(35) < 4)
    model = fit_downscaling(coarse[:, :4], known, few, SMALL, rng=np.random.default_rng(1))
    assert any("Only 4 cells teach 7 predictors" in note for note in model.notes)


def test_fewer_observations_than_predictors_is_refused(world, operator) -> None:
    _, coarse, known = world
    bare = np.full_like(coarse, np.nan)
    with pytest.raises(DataError, match=r"0 observed days and cells"):
        fit_downscaling(bare, known, operator, SMALL, rng=np.random.default_rng(1))
    bare[0, :5] = 0.2
    with pytest.raises(DataError, match=r"5 observed .* 7 predictors"):
        fit_downscaling(bare, known, operator, SMALL, rng=np.random.default_rng(1))


def test_predictors_that_cover_nothing_are_refused(world, operator) -> None:
    _, coarse, known = world
    empty = replace(known, static={"clay": np.full(SHAPE[1:], np.nan)})
    with pytest.raises(DataError, match="check that the predictors cover it"):
        fit_downscaling(coarse, empty, operator, SMALL, rng=np.random.default_rng(1))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"coupling": Coupling("bands", level=9)}, "180 steps allow 1 to 4"),
        ({"coupling": Coupling("wavelet")}, "unknown coupling"),
        ({"noise": "macthed"}, "Did you mean 'matched'"),
        ({"noise": {"heta": 1.0}}, "Did you mean 'heat'"),
        ({"learners": ()}, "no learner"),
        ({"memory_mb": 1.0}, "1 MB allowed"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(world, operator, change, found) -> None:
    _, coarse, known = world
    with pytest.raises(DataError, match=found):
        fit_downscaling(
            coarse, known, operator, replace(SMALL, **change), rng=np.random.default_rng(1)
        )


def test_what_does_not_fit_is_refused(world, operator) -> None:
    _, coarse, known = world
    with pytest.raises(TimeAxisError, match=r"\(179, 35\); expected \(180, 35\)"):
        fit_downscaling(coarse[1:], known, operator, SMALL, rng=np.random.default_rng(1))
    half = replace(
        known,
        dynamic={name: cube[:, :10] for name, cube in known.dynamic.items()},
        static={"clay": known.static["clay"][:10]},
    )
    with pytest.raises(GridError, match="not on the fine grid"):
        fit_downscaling(coarse, half, operator, SMALL, rng=np.random.default_rng(1))
