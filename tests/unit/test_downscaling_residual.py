"""The residual field against a Gaussian process solved by brute force."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist

from headwater.downscaling import residual
from headwater.downscaling.covariance import Component, ResidualCovariance
from headwater.downscaling.residual import fit_residual
from headwater.downscaling.residual_variance import posterior_variance
from headwater.downscaling.stations import StationResiduals
from headwater.errors import DataError, GridError, StudyError, TimeAxisError

PARTS = (
    Component(0.018**2, 40.0, np.inf, "lasting"),
    Component(0.012**2, 60.0, 30.0, "seasonal"),
    Component(0.010**2, 30.0, 2.0, "daily"),
)
TIMES = np.array([0, 1, 2, 4, 5, 9, 10, 11])
DAYS = np.datetime64("2019-06-01") + TIMES


def lattice(columns=12, rows=8, block=4, spacing=5.0):
    across, along = np.meshgrid(np.arange(columns) * spacing, np.arange(rows) * spacing)
    cell = (np.arange(rows)[:, None] // block) * (columns // block) + np.arange(columns) // block
    pixels = columns * rows
    share = np.full(pixels, 1.0 / block**2)
    matrix = csr_matrix((share, (cell.ravel(), np.arange(pixels))))
    places = np.column_stack([across.ravel(), along.ravel()])
    return SimpleNamespace(matrix=matrix, fine_xy=places, coarse_xy=matrix @ places)


GRID = lattice()


def residuals(seed=1):
    rng = np.random.default_rng(seed)
    seen = 0.03 * rng.standard_normal((8, 6))
    seen[rng.random(seen.shape) < 0.4] = np.nan
    seen[3] = np.nan
    return seen


def dense(values, operator, noise, lasting):
    """Posterior mean and sd of all pixels and days, by the textbook."""
    apart = cdist(GRID.fine_xy, GRID.fine_xy)
    prior = sum(
        np.kron(
            np.exp(-abs(TIMES[:, None] - TIMES) / one.memory_days) * one.variance,
            np.exp(-apart / one.length_km),
        )
        for one in PARTS
    )
    rows = np.kron(np.eye(8), operator)
    seen = np.isfinite(values).ravel()
    among = rows @ prior @ rows.T + np.diag(np.tile(noise, 8))
    among += np.kron(np.ones((8, 8)), np.diag(lasting))
    cross = (prior @ rows.T)[:, seen]
    gain = np.linalg.solve(among[np.ix_(seen, seen)], cross.T).T
    mean = (gain @ values.ravel()[seen]).reshape(8, -1)
    return mean, np.sqrt(np.diag(prior) - (gain * cross).sum(axis=1)).reshape(8, -1)


@pytest.fixture
def exact_variance(monkeypatch):
    whole = partial(posterior_variance, negligible=0.0, pixels_of_cell=99)
    monkeypatch.setattr(residual, "posterior_variance", whole)


@pytest.mark.usefixtures("exact_variance")
@pytest.mark.parametrize("bias", [0.0, 0.008])
def test_soft_equals_the_dense_gaussian_process(bias):
    seen = residuals()
    mean, sd = fit_residual(
        seen, GRID, DAYS, covariance=ResidualCovariance(PARTS, 0.02, bias)
    ).predict()
    wanted = dense(seen, GRID.matrix.toarray(), np.full(6, 0.02**2), np.full(6, bias**2))
    np.testing.assert_allclose(mean, wanted[0], atol=1e-8)
    np.testing.assert_allclose(sd, wanted[1], atol=1e-8)


@pytest.mark.usefixtures("exact_variance")
def test_stations_are_one_more_row_each():
    seen, rng = residuals(), np.random.default_rng(5)
    at = np.array([[6.0, 4.0], [50.0, 30.0]])
    stations = StationResiduals(at, 0.03 * rng.standard_normal((8, 2)), np.array([0.004, 0.01]))
    field = fit_residual(
        seen, GRID, DAYS, covariance=ResidualCovariance(PARTS, 0.02, 0.008), stations=stations
    )
    operator = np.vstack([GRID.matrix.toarray(), np.zeros((2, 96))])
    operator[[6, 7], cdist(at, GRID.fine_xy).argmin(axis=1)] = 1.0
    noise = np.array([0.02**2] * 6 + [0.004**2, 0.01**2])
    wanted = dense(
        np.hstack([seen, stations.values]), operator, noise, np.array([0.008**2] * 6 + [0.0] * 2)
    )
    mean, sd = field.predict()
    np.testing.assert_allclose(mean, wanted[0], atol=1e-8)
    np.testing.assert_allclose(sd, wanted[1], atol=1e-8)
    assert field.n_observed == np.isfinite(seen).sum() + 16


def test_exact_meets_every_observed_cell_to_the_last_digit():
    seen = residuals()
    field = fit_residual(
        seen, GRID, DAYS, method="exact", covariance=ResidualCovariance(PARTS, 0.02, 0.008)
    )
    cells = field.predict()[0] @ GRID.matrix.toarray().T
    assert np.nanmax(np.abs(cells - seen)) < 1e-12
    wanted, _ = dense(seen, GRID.matrix.toarray(), np.zeros(6), np.zeros(6))
    np.testing.assert_allclose(field.predict()[0], wanted, atol=1e-7)


def test_soft_goes_to_exact_as_the_noise_goes_to_zero():
    seen = residuals()
    covariances = [ResidualCovariance(PARTS, sd) for sd in (0.02, 0.01, 3e-3, 1e-3, 1e-4, 1e-5)]
    exact = fit_residual(seen, GRID, DAYS, method="exact", covariance=covariances[0]).predict()[0]
    away = [
        np.abs(fit_residual(seen, GRID, DAYS, covariance=one).predict()[0] - exact).max()
        for one in covariances
    ]
    assert (np.diff(away) < 0).all()
    assert away[-1] < 1e-6


def test_the_fast_standard_deviation_errs_little():
    grid = lattice(48, 32, 8, 5.0)
    rng = np.random.default_rng(2)
    seen = 0.03 * rng.standard_normal((40, 24))
    seen[rng.random(seen.shape) < 0.5] = np.nan
    dates = np.datetime64("2019-06-01") + np.arange(40)
    found = fit_residual(seen, grid, dates, covariance=ResidualCovariance(PARTS, 0.025, 0.01))
    fast = found.predict()[1]
    rows = residual._rows(seen, grid, found.covariance, None, "soft")
    mixed = residual.point_to_area(rows.matrix, grid.fine_xy, [one.length_km for one in PARTS])
    exact = np.sqrt(
        posterior_variance(
            rows, grid, PARTS, mixed, np.arange(40.0), negligible=0.0, pixels_of_cell=99
        )
    )
    # at the rim the nearest computed pixel stands in
    assert np.abs(fast / exact - 1.0).max() < 0.08
    assert np.quantile(np.abs(fast / exact - 1.0), 0.8) < 0.03
    assert (fast / exact).mean() == pytest.approx(1.0, abs=0.02)


def test_intervals_of_the_field_cover_what_was_drawn():
    rng, inside = np.random.default_rng(4), []
    apart = cdist(GRID.fine_xy, GRID.fine_xy)
    prior = sum(
        np.kron(
            np.exp(-abs(TIMES[:, None] - TIMES) / one.memory_days) * one.variance,
            np.exp(-apart / one.length_km),
        )
        for one in PARTS
    )
    root = np.linalg.cholesky(prior + 1e-12 * np.eye(len(prior)))
    covariance = ResidualCovariance(PARTS, 0.02)
    for _ in range(60):
        truth = (root @ rng.standard_normal(len(prior))).reshape(8, -1)
        seen = truth @ GRID.matrix.T.toarray() + 0.02 * rng.standard_normal((8, 6))
        seen[rng.random(seen.shape) < 0.5] = np.nan
        mean, sd = fit_residual(seen, GRID, DAYS, covariance=covariance).predict()
        inside.append((np.abs(mean - truth) <= 1.645 * sd).mean())
    assert np.mean(inside) == pytest.approx(0.90, abs=0.02)


def test_every_day_has_a_field_and_gaps_are_less_sure():
    seen = residuals()
    mean, sd = fit_residual(seen, GRID, DAYS, covariance=ResidualCovariance(PARTS, 0.02)).predict()
    assert np.isfinite(mean).all()
    assert np.isfinite(sd).all()
    assert sd[3].mean() > sd[[2, 4]].mean()


def test_components_sum_to_the_field_and_streams_equal_the_whole():
    field = fit_residual(residuals(), GRID, DAYS, covariance=ResidualCovariance(PARTS, 0.02))
    mean, sd = field.predict()
    np.testing.assert_allclose(sum(field.components().values()), mean, atol=1e-15)
    assert np.ptp(field.components()["lasting"], axis=0).max() < 1e-15
    parts = list(field.stream(block=3))
    np.testing.assert_allclose(np.concatenate([one[1] for one in parts]), mean, atol=1e-16)
    np.testing.assert_array_equal(np.concatenate([one[2] for one in parts]), sd)
    assert field.parameters["daily_memory_days"] == 2.0


def test_the_same_input_gives_the_same_bits():
    one, two = (
        fit_residual(residuals(), GRID, DAYS, covariance=ResidualCovariance(PARTS, 0.02)).predict()
        for _ in range(2)
    )
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() == two[1].tobytes()


def test_plain_ways_know_no_standard_deviation():
    for method in ("bilinear", "none"):
        mean, sd = fit_residual(residuals(), GRID, DAYS, method=method).predict()
        assert np.isfinite(mean).all()
        assert np.isnan(sd).all()
    assert not mean.any()


def test_bad_input_is_named():
    seen, covariance = residuals(), ResidualCovariance(PARTS, 0.02)
    with pytest.raises(DataError, match="do not fit"):
        fit_residual(seen.T, GRID, DAYS)
    with pytest.raises(DataError, match="no residual at all"):
        fit_residual(np.full((8, 6), np.nan), GRID, DAYS)
    with pytest.raises(StudyError, match=r"unknown way.*Did you mean 'soft'"):
        fit_residual(seen, GRID, DAYS, method="sofd")
    with pytest.raises(TimeAxisError, match="increase"):
        fit_residual(seen, GRID, DAYS[::-1])
    with pytest.raises(DataError, match=r"more memory than allowed.*MB"):
        fit_residual(seen, GRID, DAYS, covariance=covariance, memory_mb=1.0)
    away = StationResiduals(np.array([[400.0, 4.0]]), np.zeros((8, 1)), names=("Babao",))
    with pytest.raises(GridError, match=r"outside of the grid.*Babao"):
        fit_residual(seen, GRID, DAYS, covariance=covariance, stations=away)
    short = StationResiduals(np.array([[4.0, 4.0]]), np.zeros((7, 1)))
    with pytest.raises(DataError, match="stations do not fit"):
        fit_residual(seen, GRID, DAYS, covariance=covariance, stations=short)
    field = fit_residual(seen, GRID, DAYS, method="none")
    with pytest.raises(TimeAxisError, match="not part of the fit"):
        field.predict(np.array(["2031-01-01"], dtype="datetime64[D]"))
