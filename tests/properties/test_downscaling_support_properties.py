"""What the support operator keeps, whatever the grids: mass, adjoint, composition, constants."""

import numpy as np
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from headwater.downscaling.support_operator import Support, support
from headwater.grids import cell_area
from headwater.grids.products.smap import ease2_grid

SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m +type=crs"
seeds = st.integers(0, 2**16)


def degrees(west: float, north: float, step: float, rows: int, columns: int, up: bool) -> GeoBox:
    top = north - rows * step if up else north
    return GeoBox(
        (rows, columns), Affine(step, 0, west, 0, step if up else -step, top), "EPSG:4326"
    )


fine_grids = st.builds(
    degrees,
    st.floats(-175, 170),
    st.floats(-50, 70),
    st.sampled_from([0.05, 0.083, 0.1, 0.25]),
    st.integers(2, 30),
    st.integers(2, 30),
    st.booleans(),
)
projected = st.sampled_from(
    [
        GeoBox((9, 11), Affine(7000, 0, 600000, 0, -7000, 4300000), "EPSG:32647"),
        GeoBox((9, 11), Affine(7000, 0, 8700000, 0, -7000, 4300000), SINUSOIDAL),
    ]
)


def operator_over(fine: GeoBox) -> Support:
    return support(ease2_grid(36), fine)


@given(fine_grids, seeds)
def test_mass_is_conserved(fine: GeoBox, seed: int) -> None:
    values = np.random.default_rng(seed).random(fine.shape)
    operator = operator_over(fine)
    received = (operator.area * operator.covered * operator.aggregate(values).value).sum()
    given_out = float((cell_area(fine).values * values).sum())
    np.testing.assert_allclose(received, given_out, rtol=1e-11)


@settings(max_examples=10, deadline=None)
@given(projected, seeds)
def test_mass_is_conserved_where_cells_are_bent(fine: GeoBox, seed: int) -> None:
    values = np.random.default_rng(seed).random(fine.shape)
    operator = operator_over(fine)
    weight = operator.area * operator.covered
    areas = operator.adjoint(weight)
    received = float((weight * operator.aggregate(values).value).sum())
    np.testing.assert_allclose(received, float(areas @ values.ravel()), rtol=1e-12)
    np.testing.assert_allclose(areas, 49.0, rtol=0.01)


@given(st.one_of(fine_grids, projected), seeds)
def test_adjoint_identity(fine: GeoBox, seed: int) -> None:
    rng, operator = np.random.default_rng(seed), operator_over(fine)
    x, y = rng.normal(size=operator.n_fine), rng.normal(size=operator.n_coarse)
    forward, backward = operator.aggregate(x).value @ y, x @ operator.adjoint(y)
    np.testing.assert_allclose(forward, backward, rtol=0, atol=1e-11)


@given(st.floats(-170, 165), st.floats(-50, 60), st.sampled_from([0.05, 0.0833]), seeds)
def test_going_through_9_km_is_going_straight_to_36_km(
    west: float, south: float, step: float, seed: int
) -> None:
    coarse = ease2_grid(36, (west, south, west + 0.8, south + 0.7))
    middle = ease2_grid(9)
    t, m = coarse.transform, middle.transform
    top, left = round((t.f - m.f) / m.e), round((t.c - m.c) / m.a)
    middle = middle[top : top + 4 * coarse.shape[0], left : left + 4 * coarse.shape[1]]
    # Wide enough to hold every coarse cell whole.
    fine = degrees(west - 1.5, south + 2.2, step, int(4 / step), int(4 / step), False)
    if not -86 < fine.transform.f - 4 < fine.transform.f < 86:
        return
    values = np.random.default_rng(seed).random(fine.shape)
    straight = support(coarse, fine).aggregate(values).value
    through = support(coarse, middle).aggregate(support(middle, fine).aggregate(values).value)
    np.testing.assert_allclose(through.value, straight, rtol=0, atol=1e-12)


@given(st.one_of(fine_grids, projected), seeds, st.floats(-5, 5), st.floats(0, 0.9))
def test_a_constant_stays_itself_under_any_gaps(
    fine: GeoBox, seed: int, level: float, gaps: float
) -> None:
    operator = operator_over(fine)
    missing = np.random.default_rng(seed).random(operator.n_fine) < gaps
    value, seen = operator.aggregate(np.where(missing, np.nan, level))
    assert ((seen >= 0) & (seen <= 1)).all()
    assert (np.isnan(value) == (seen == 0)).all()
    np.testing.assert_allclose(value[seen > 0], level, rtol=1e-12, atol=1e-14)


@given(fine_grids, seeds)
def test_a_mean_lies_between_least_and_most(fine: GeoBox, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=fine.shape)
    mean = operator_over(fine).aggregate(values).value
    assert values.min() - 1e-12 <= mean.min() <= mean.max() <= values.max() + 1e-12
