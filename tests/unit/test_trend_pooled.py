"""Trends pooled in space, and adjusted for rain."""

import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr

from headwater.errors import DataError, TimeAxisError
from headwater.variation import persistent_mann_kendall
from headwater.variation.trend.partial import residual_trend
from headwater.variation.trend.pooled import (
    contextual_mann_kendall,
    field_trend_test,
    regional_mann_kendall,
)


def fields(steps: int, side: int, phi: float, smooth: float, rng: np.random.Generator):
    from scipy.ndimage import gaussian_filter

    noise = rng.normal(size=(steps + 30, side, side))
    noise = gaussian_filter(noise, (0, smooth, smooth), mode="wrap") if smooth else noise
    for i in range(1, len(noise)):
        noise[i] += phi * noise[i - 1]
    return noise[30:]


def test_neighbours_are_the_mean_of_their_ranks() -> None:
    cube = np.random.default_rng(1).normal(size=(20, 3, 4))
    cube[:, 0, 0] = np.nan
    found, own = contextual_mann_kendall(cube), persistent_mann_kendall(cube)
    ranks = (cube.argsort(axis=0).argsort(axis=0) + 0.5) / 20
    ranks[:, 0, 0] = np.nan
    assert np.isnan(found["p"][0, 0])
    corner = persistent_mann_kendall(np.nanmean(ranks[:, 0:3, 0:2], axis=(1, 2)).round(9))
    npt.assert_allclose(found["p"][1, 0], corner["p"])
    npt.assert_allclose(found["slope"], own["slope"])
    with pytest.raises(DataError, match="need a grid"):
        contextual_mann_kendall(cube[:, 0])


def test_neighbours_and_areas_find_a_trend_that_single_cells_miss() -> None:
    rng = np.random.default_rng(2)
    cube = rng.normal(size=(25, 8, 8)) + 0.04 * np.arange(25)[:, None, None]
    alone, together = persistent_mann_kendall(cube), contextual_mann_kendall(cube)
    assert float((together["p"] < 0.05).mean()) > 2 * float((alone["p"] < 0.05).mean())
    assert float(regional_mann_kendall(cube)["p"]) < 1e-3
    assert field_trend_test(cube, rng, n_resamples=99).p <= 0.05
    weights = xr.DataArray(np.ones((8, 8)), dims=("y", "x"))
    npt.assert_allclose(regional_mann_kendall(cube, weights)["p"], regional_mann_kendall(cube)["p"])


@pytest.mark.slow
@pytest.mark.parametrize(("phi", "smooth"), [(0.0, 0.0), (0.5, 2.0)])
def test_pooled_tests_keep_their_size_whatever_cells_share(phi, smooth) -> None:
    rng = np.random.default_rng(3)
    maps = [fields(20, 8, phi, smooth, rng) for _ in range(300)]
    joined = np.concatenate(maps, axis=2)
    ranks = [regional_mann_kendall(one)["p"] for one in maps[:300]]
    assert 0.015 < np.mean([float(p) <= 0.05 for p in ranks]) < 0.09
    inner = persistent_mann_kendall(joined)["p"].values
    assert 0.03 < (inner <= 0.05).mean() < 0.07
    pooled = np.stack([contextual_mann_kendall(one)["p"].values for one in maps[:60]])
    assert 0.01 < (pooled <= 0.05).mean() < 0.1
    fielded = []
    for one in maps[:150]:
        try:
            fielded.append(field_trend_test(one, rng, n_resamples=99).p)
        except DataError as error:
            # an area of few independent places says little of its persistence: docs/limits.md
            assert "too few independent places" in str(error)  # noqa: PT017
    assert (len(fielded) == 150) == (smooth == 0.0)
    assert np.mean(np.array(fielded) <= 0.05) < 0.09 if smooth == 0.0 else len(fielded) < 15


def test_the_residual_trend_is_what_rain_leaves() -> None:
    rng = np.random.default_rng(4)
    rain = rng.normal(500.0, 80.0, (30, 2, 2))
    wet = 0.0005 * rain + rng.normal(0.0, 0.004, (30, 2, 2))
    wet[:, 0, 0] -= 0.002 * np.arange(30)
    found = residual_trend(wet, rain)
    npt.assert_allclose(found["factor_slope"].values.ravel()[1:], 0.0005, rtol=0.1)
    assert float(found["p"][0, 0]) < 1e-3
    assert float(found["partial_p"][0, 0]) < 1e-3
    npt.assert_allclose(float(found["slope"][0, 0]), -0.002, rtol=0.2)
    assert (found["p"].values.ravel()[1:] > 0.01).all()
    with pytest.raises(TimeAxisError, match="different times"):
        residual_trend(wet, rain[1:])


def test_a_field_too_short_or_empty_is_refused() -> None:
    rng = np.random.default_rng(5)
    with pytest.raises(DataError, match="no field"):
        field_trend_test(rng.normal(size=(8, 4)), rng)
    with pytest.raises(DataError, match="no field"):
        field_trend_test(np.full((20, 4), np.nan), rng)
