"""What holds for any virtual headwater, whatever its size, seed and weather."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.virtual import make_headwater
from headwater.virtual.climate import MONTHLY_PRECIPITATION, seasonal_precipitation
from headwater.virtual.fields import smooth_noise, spline_weights, stream
from headwater.virtual.frame import Frame
from headwater.virtual.landscape import lay_landscape
from headwater.virtual.retrieval import cut_gaps
from headwater.virtual.soil import Column, State, advance

SEEDS = st.integers(0, 2**32)


@settings(deadline=None, max_examples=25)
@given(
    seed=SEEDS,
    mean=st.floats(-25, 25),
    wetness=st.floats(0, 60),
    capacity=st.floats(5, 400),
    ice=st.floats(0, 80),
)
def test_water_balance_closes_in_any_weather(seed, mean, wetness, capacity, ice):
    rng = np.random.default_rng(seed)
    shape = (400, 2, 3)
    rain = (wetness * rng.random(shape)).astype(np.float32)
    air = rng.normal(mean, 8.0, shape).astype(np.float32)
    full = np.ones(shape[1:])
    soil = Column(capacity * full, 1.3 * full, ice * full)
    state = State.start(soil)
    before = state.storage
    advance(state, soil, rain, air, np.array([36.0, 40.0]))
    change = state.storage - before
    residual = rain.sum(axis=0, dtype=np.float64) - state.fluxes[:2].sum(axis=0) - change
    assert np.abs(residual).max() < 1e-4
    assert state.stores[:3].min() >= -1e-9


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 60), knots=st.integers(4, 40))
def test_smooth_fields_have_unit_variance_at_every_place(n, knots):
    weights = spline_weights(np.linspace(0.0, 1.0, n), knots)
    np.testing.assert_allclose((weights.astype(float) ** 2).sum(axis=1), 1.0, atol=1e-5)


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_a_field_is_the_same_at_any_resolution(seed):
    coarse, fine = np.linspace(0, 1, 9), np.linspace(0, 1, 33)
    one = smooth_noise(stream(seed, "f"), coarse, coarse, knots=(5, 6))
    other = smooth_noise(stream(seed, "f"), fine, fine, knots=(5, 6))
    np.testing.assert_allclose(one, other[::4, ::4], atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS, share=st.floats(0.0, 0.9))
def test_gaps_take_the_share_asked_for(seed, share):
    values = np.ones((730, 12, 20), np.float32)
    cut_gaps(values, Frame(12, 20, 0.05, 95.0, 37.0), share=share, seed=seed)
    assert abs(np.isnan(values).mean() - share) < 0.01


@settings(deadline=None, max_examples=8)
@given(seed=SEEDS, rows=st.integers(4, 14), columns=st.integers(4, 20))
def test_any_landscape_is_a_mountain(seed, rows, columns):
    land = lay_landscape(Frame(rows, columns, 0.05, 95.0, 37.0), seed=seed)
    assert 1999.9 <= land.fine.z.min() <= land.fine.z.max() <= 5800.1
    assert abs(np.median(land.fine.z) - 3460.0) < 25.0
    assert land.grid.inside.any()
    assert set(np.unique(land.grid.vegetation)) <= {1, 2, 3, 4, 5}


@settings(deadline=None, max_examples=6)
@given(seed=SEEDS, rows=st.integers(4, 9), columns=st.integers(4, 12))
def test_any_size_has_the_same_annual_precipitation(seed, rows, columns):
    here = make_headwater(seed=seed, years=(2019, 2019), shape=(rows, columns))
    rain = here.cube["precipitation"].sum("time", dtype="float64")
    assert abs(float(rain.where(here.truth.fields["inside"]).mean()) - 366.72) < 0.01
    assert len(here.samples) > 1000


def test_seasonal_precipitation_keeps_every_month():
    lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    daily = seasonal_precipitation(np.arange(1, 366))
    monthly = np.add.reduceat(daily, np.cumsum([0, *lengths[:-1]]))
    np.testing.assert_allclose(monthly, MONTHLY_PRECIPITATION, rtol=0.02, atol=0.05)
