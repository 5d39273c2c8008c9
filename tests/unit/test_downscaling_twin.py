"""The twin tells an able pipeline from a useless one, and its intervals cover."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.downscaling.covariance import Component, ResidualCovariance
from headwater.downscaling.predictors import build_predictors
from headwater.downscaling.support_operator import support
from headwater.downscaling.twin_truth import draw_field
from headwater.downscaling.twins import TwinOptions, fine_scores, twin_experiment
from headwater.errors import DataError


def grid(step, rows, columns):
    y, x = 38.0 - step * (np.arange(rows) + 0.5), 99.0 + step * (np.arange(columns) + 0.5)
    cube = xr.DataArray(np.zeros((rows, columns)), {"y": y, "x": x}, ("y", "x"))
    return cube.rio.write_crs("EPSG:4326")


@pytest.fixture(scope="module")
def world():
    import rioxarray  # noqa: F401

    operator = support(grid(0.25, 4, 6), grid(0.05, 20, 30))
    rng, days = np.random.default_rng(1), pd.date_range("2019-06-01", periods=90)
    wet = np.stack([draw_field((20, 30), (5.5, 4.5), 25.0, rng) for _ in range(90)])
    slope = draw_field((20, 30), (5.5, 4.5), 15.0, rng)
    predictors = build_predictors(
        {"rain": wet.astype(np.float32)},
        {"slope": slope.astype(np.float32)},
        days.values,
        precipitation=None,
        memories=(),
        noisy=(),
        seasonal=False,
    )
    truth = 0.25 + 0.05 * wet - 0.04 * slope
    cells = operator.aggregate(truth).value + 0.02 * rng.standard_normal((90, 24))
    cells[rng.random(cells.shape) < 0.5] = np.nan
    parts = (Component(0.008**2, 40.0, np.inf, "lasting"), Component(0.005**2, 30.0, 2.0, "daily"))
    return SimpleNamespace(
        support=operator,
        predictors=predictors,
        cells=cells,
        covariance=ResidualCovariance(parts, 0.02, 0.005),
    )


class Straight:
    """A line through the coarse predictors, with a standard deviation that is too small."""

    def __init__(self, world, seen, use=True):
        self.world, self.use = world, use
        table = np.stack([world.support.aggregate(self._table(day).T).value.T for day in range(90)])
        good = np.isfinite(seen)
        design = np.column_stack([table[good], np.ones(good.sum())])
        self.weights = np.linalg.lstsq(design, seen[good], rcond=None)[0]

    def _table(self, day):
        return self.world.predictors.day(day).astype(float) * self.use

    def predict(self, days=None):
        where = self.world.predictors.positions(days)
        mean = np.stack([self._table(day) @ self.weights[:-1] + self.weights[-1] for day in where])
        return mean, np.full(mean.shape, 0.005)


def run(world, *, rng, **assumed):
    return twin_experiment(
        world.cells,
        world.predictors,
        world.support,
        lambda seen: Straight(world, seen),
        world.covariance,
        options=TwinOptions(n_resamples=2, **assumed),
        rng=rng,
    )


def test_skill_oracle_and_intervals_of_an_able_pipeline(world):
    found = run(world, rng=np.random.default_rng(3))
    table = found.to_frame()
    assert len(table) == 8
    mean = table.groupby("method")["rmse"].mean()
    assert mean["pipeline"] < 0.7 * mean["nearest"]
    # two learners of truth differ more than two draws of one: only their mean is held to the level
    assert table["coverage"].mean() == pytest.approx(0.90, abs=0.07)
    assert (table["coverage_cells"].dropna() < 1.0).all()
    assert found.headroom["rmse"] == pytest.approx(mean["oracle"] - mean["pipeline"])
    assert found.learner_sd > 0.005
    assert "rmse_mean" in found.summary()
    assert len(found.plot().axes) == 4


def test_a_pipeline_that_ignores_the_predictors_is_found_out(world):
    able = run(world, rng=np.random.default_rng(3)).summary()
    blind = twin_experiment(
        world.cells,
        world.predictors,
        world.support,
        lambda seen: Straight(world, seen, use=False),
        world.covariance,
        options=TwinOptions(n_resamples=2),
        rng=np.random.default_rng(3),
    ).summary()
    assert able.loc["pipeline", "r_within_mean"] > 0.5
    assert not blind.loc["pipeline", "r_within_mean"] > 0.1
    assert blind.loc["pipeline", "rmse_mean"] > 1.3 * able.loc["pipeline", "rmse_mean"]


def test_more_heterogeneity_below_the_cells_means_less_skill(world):
    quiet, loud = (
        run(world, rng=np.random.default_rng(3), unseen_sd=sd).summary() for sd in (0.0, 0.04)
    )
    for method in ("pipeline", "oracle"):
        assert loud.loc[method, "rmse_mean"] > quiet.loc[method, "rmse_mean"]


def test_the_same_seed_gives_the_same_bits(world):
    one, two = (run(world, rng=np.random.default_rng(5)).to_frame() for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_fields_have_the_variance_and_correlation_asked_for():
    rng = np.random.default_rng(1)
    fields = np.stack([draw_field((40, 50), (5.0, 4.0), 30.0, rng) for _ in range(400)])
    assert fields.var() == pytest.approx(1.0, abs=0.05)
    east = (fields[:, :, :-5] * fields[:, :, 5:]).mean() / fields.var()
    north = (fields[:, :-4] * fields[:, 4:]).mean() / fields.var()
    assert east == pytest.approx(np.exp(-20 / 30), abs=0.04)
    assert north == pytest.approx(np.exp(-20 / 30), abs=0.04)


def test_scores_of_a_constant_bias_are_as_by_hand(world):
    truth = np.random.default_rng(1).random((9, 600))
    scores = fine_scores(truth + 0.1, truth, world.support)
    assert scores["rmse"] == pytest.approx(0.1)
    assert scores["ubrmse"] == pytest.approx(0.0, abs=1e-12)
    assert scores["r"] == pytest.approx(1.0)
    assert scores["r_within"] == pytest.approx(1.0)


def test_bad_input_is_named(world):
    with pytest.raises(DataError, match="one twin"):
        twin_experiment(
            world.cells,
            world.predictors,
            world.support,
            lambda seen: Straight(world, seen),
            world.covariance,
            options=TwinOptions(n_resamples=1),
            rng=np.random.default_rng(1),
        )
    with pytest.raises(DataError, match="no day with an observation"):
        twin_experiment(
            np.full((90, 24), np.nan),
            world.predictors,
            world.support,
            lambda seen: Straight(world, seen),
            world.covariance,
            rng=np.random.default_rng(1),
        )
