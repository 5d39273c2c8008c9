"""Covariances between points and cells, and the covariance that moments tell."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist

from headwater.downscaling.baselines import bilinear_weights
from headwater.downscaling.covariance import (
    cell_correlation,
    cell_variance,
    estimate_covariance,
    point_to_area,
    thin_rows,
)
from headwater.downscaling.wavelets import fill_in_time
from headwater.errors import DataError


def lattice(columns, rows, block, spacing):
    """Square cells of block × block pixels."""
    across, along = np.meshgrid(np.arange(columns) * spacing, np.arange(rows) * spacing)
    cell = (np.arange(rows)[:, None] // block) * (columns // block) + np.arange(columns) // block
    pixels = columns * rows
    share = np.full(pixels, 1.0 / block**2)
    matrix = csr_matrix((share, (cell.ravel(), np.arange(pixels))))
    places = np.column_stack([across.ravel(), along.ravel()])
    return SimpleNamespace(matrix=matrix, fine_xy=places, coarse_xy=matrix @ places)


def days(count):
    return np.datetime64("2019-01-01") + np.arange(count)


def test_points_and_cells_correlate_as_the_dense_matrices_say():
    grid = lattice(12, 8, 4, 5.0)
    dense = np.exp(-cdist(grid.fine_xy, grid.fine_xy) / 30.0)
    (mixed,) = point_to_area(grid.matrix, grid.fine_xy, [30.0])
    np.testing.assert_allclose(mixed, dense @ grid.matrix.toarray().T, atol=1e-14)
    among = grid.matrix @ dense @ grid.matrix.T
    np.testing.assert_allclose(
        cell_variance(grid.matrix, grid.fine_xy, 30.0), np.diag(among), atol=1e-14
    )
    whole = cell_correlation(grid.matrix, grid.fine_xy, 30.0, most=99)
    np.testing.assert_allclose(whole, among, atol=1e-14)
    thinned = cell_correlation(grid.matrix, grid.fine_xy, 30.0, most=5)
    np.testing.assert_allclose(thinned, among, atol=0.02)


def test_thinned_rows_still_sum_to_one():
    thin = thin_rows(lattice(12, 8, 4, 5.0).matrix, 5)
    assert set(np.diff(thin.indptr)) == {5}
    np.testing.assert_allclose(thin.sum(axis=1), 1.0)


def test_straight_lines_keep_a_plane_and_the_values_at_the_centres():
    grid = lattice(24, 16, 4, 5.0)
    weights = bilinear_weights(grid.coarse_xy, grid.fine_xy)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    plane = grid.coarse_xy @ [0.3, -0.2]
    low, high = grid.coarse_xy.min(axis=0), grid.coarse_xy.max(axis=0)
    inside = ((grid.fine_xy >= low) & (grid.fine_xy <= high)).all(axis=1)
    np.testing.assert_allclose(
        (weights @ plane)[inside], (grid.fine_xy @ [0.3, -0.2])[inside], atol=1e-12
    )
    at_centres = bilinear_weights(grid.coarse_xy, grid.coarse_xy) @ plane
    np.testing.assert_allclose(at_centres, plane, atol=1e-12)


def test_a_series_without_values_stays_missing():
    filled, _ = fill_in_time(np.array([[1.0, np.nan], [np.nan, np.nan]]), times=[0, 5])
    np.testing.assert_array_equal(filled, [[1.0, np.nan], [1.0, np.nan]])


def test_moments_find_noise_range_and_lasting_error():
    grid = lattice(60, 40, 5, 6.0)
    rng = np.random.default_rng(3)
    root = np.linalg.cholesky(np.exp(-cdist(grid.fine_xy, grid.fine_xy) / 60.0))
    still = root @ rng.standard_normal(2400)
    moving, truth = root @ rng.standard_normal(2400), []
    for _ in range(240):
        moving = np.exp(-0.5) * moving + np.sqrt(1 - np.exp(-1.0)) * (
            root @ rng.standard_normal(2400)
        )
        truth.append(0.02 * still + 0.015 * moving)
    cells = np.array(truth) @ grid.matrix.T.toarray()
    cells += 0.01 * rng.standard_normal(96) + 0.025 * rng.standard_normal(cells.shape)
    cells[rng.random(cells.shape) < 0.5] = np.nan
    found = estimate_covariance(cells, grid, days(240))
    assert found.noise_sd == pytest.approx(0.025, abs=0.002)
    assert found.bias_sd == pytest.approx(0.010, abs=0.004)
    assert found.point_sd == pytest.approx(0.025, abs=0.007)
    short = [one for one in found.components if one.memory_days < 10]
    assert sum(one.variance for one in short) == pytest.approx(0.015**2, rel=0.5)
    again = estimate_covariance(cells, grid, days(240))
    assert again.components == found.components


def test_noise_alone_leaves_next_to_no_field():
    grid = lattice(30, 20, 5, 6.0)
    noise = np.random.default_rng(1).normal(0.0, 0.03, (300, 24))
    found = estimate_covariance(noise, grid, days(300))
    assert found.point_sd < 0.006
    assert found.noise_sd == pytest.approx(0.03, abs=0.001)


def test_too_few_residuals_are_refused():
    grid = lattice(8, 4, 4, 5.0)
    seen = np.full((9, 2), np.nan)
    seen[0, 0] = 0.01
    with pytest.raises(DataError, match=r"too few residuals.*Found: 1"):
        estimate_covariance(seen, grid, days(9))
    with pytest.raises(DataError, match="do not fit"):
        estimate_covariance(seen.T, grid, days(9))
