"""The soil's daily balance against a plain NumPy twin, and its physics."""

import numpy as np
import pytest

from headwater.virtual.soil import Column, State, advance, extraterrestrial_radiation

LATITUDE = np.array([36.0, 38.0, 40.0])


def column(shape=(3, 4), *, ice=30.0):
    rng = np.random.default_rng(5)
    return Column(
        rng.uniform(60, 160, shape), rng.uniform(0.8, 2.0, shape), rng.uniform(0, ice, shape)
    )


def weather(days=730, shape=(3, 4), *, mean=-2.0):
    rng = np.random.default_rng(6)
    season = mean - 13.0 * np.cos(2 * np.pi * np.arange(days) / 365.0)
    air = season[:, None, None] + rng.normal(0, 3, (days, *shape))
    rain = rng.gamma(0.3, 4.0, (days, *shape)) * (rng.random((days, *shape)) < 0.4)
    return rain.astype(np.float32), air.astype(np.float32)


def twin(rain, air, soil, stores):
    """Daily balance in NumPy, from the equations in the docstring of the room's soil module."""
    rain, air = rain.astype(np.float64), air.astype(np.float64)
    radiation = extraterrestrial_radiation(LATITUDE, np.arange(1, len(rain) + 1)) / 2.45
    snow, water, ice, ground = (stores[i].copy() for i in range(4))
    theta, melts = np.empty_like(rain), np.empty_like(rain)
    totals = np.zeros((5, *snow.shape))
    for t in range(len(rain)):
        fall, warm = rain[t], air[t]
        snowfall = fall * np.clip((2 - warm) / 3, 0, 1)
        melt = np.minimum(snow + snowfall, 2.2 * np.maximum(warm + 1, 0))
        snow = snow + snowfall - melt
        ground = ground + (warm + 2.5 - ground) / 15
        phi = 0.72 + 0.28 / (1 + np.exp(-ground / 0.7))
        thaw = np.minimum(ice, 0.055 * np.maximum(ground, 0))
        grow = np.where(ground < 0, np.minimum(soil.ice_limit - ice, 0.0016 * water), 0)
        ice = ice + grow - thaw
        supply = fall - snowfall + melt + thaw
        run = supply * np.minimum(1, water / soil.capacity) ** 2
        water = water + supply - run - grow
        run = run + np.maximum(0, water - soil.capacity)
        water = np.minimum(water, soil.capacity)
        pet = radiation[t][:, None] * np.maximum(warm + 5, 0) / 100 * soil.demand
        loss = np.minimum(pet * np.minimum(1, phi * water / (0.6 * soil.capacity)), phi * water)
        water = water - loss
        drain = np.minimum(0.45 * phi * (water / soil.capacity) ** 3, water)
        water, run = water - drain, run + drain
        theta[t], melts[t] = 0.044 + phi * water / 590, melt
        totals += [loss, run, melt, thaw, snowfall]
    return theta, melts, totals, np.stack([snow, water, ice, ground])


def test_kernel_equals_its_numpy_twin():
    soil, (rain, air) = column(), weather()
    state = State.start(soil)
    theta_twin, melt_twin, totals, stores = twin(rain, air, soil, state.stores)
    theta, melt = advance(state, soil, rain, air, LATITUDE)
    np.testing.assert_allclose(theta, theta_twin, rtol=1e-6)
    np.testing.assert_allclose(melt, melt_twin, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(state.fluxes, totals, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(state.stores, stores, rtol=1e-9, atol=1e-9)


def test_water_balance_closes():
    soil, (rain, air) = column(), weather()
    state = State.start(soil)
    before = state.storage
    advance(state, soil, rain, air, LATITUDE)
    spent = state.fluxes[0] + state.fluxes[1] + state.storage - before
    assert np.abs(rain.sum(axis=0, dtype=np.float64) - spent).max() < 1e-4


def test_two_halves_equal_the_whole():
    soil, (rain, air) = column(), weather(730)
    rain, air = np.concatenate([rain[:365]] * 2), np.concatenate([air[:365]] * 2)
    whole, halves = State.start(soil), State.start(soil)
    # radiation follows the day of the year, so that halves must begin in January
    first, _ = advance(whole, soil, rain[:365], air[:365], LATITUDE)
    once, _ = advance(halves, soil, rain[:365], air[:365], LATITUDE)
    np.testing.assert_array_equal(first, once)
    moisture, melt = np.empty_like(rain[:365]), np.empty_like(rain[:365])
    again, _ = advance(halves, soil, rain[365:], air[365:], LATITUDE, moisture=moisture, melt=melt)
    assert again is moisture
    advance(whole, soil, rain[365:], air[365:], LATITUDE)
    np.testing.assert_array_equal(whole.stores, halves.stores)


def test_frozen_ground_hides_water_from_the_satellite():
    soil = column(ice=0.0)
    cold, dry = np.full((120, 3, 4), -15.0, np.float32), np.zeros((120, 3, 4), np.float32)
    state = State.start(soil)
    state.stores[3] = 10.0
    before = state.stores[1].copy()
    theta, _ = advance(state, soil, dry, cold, LATITUDE)
    # 0.044 never moves; of the rest, 0.72 stays liquid in the cold
    assert np.all(theta[-1] - 0.044 < 0.8 * (theta[0] - 0.044))
    np.testing.assert_allclose(state.stores[1] / before, 1.0, atol=0.15)


def test_stores_stay_within_their_bounds():
    soil, (rain, air) = column(), weather()
    state = State.start(soil)
    theta, melt = advance(state, soil, rain * 20, air, LATITUDE)
    assert state.stores[:3].min() >= 0.0
    assert np.all(state.stores[1] <= soil.capacity)
    assert np.all(state.stores[2] <= soil.ice_limit + 1e-9)
    assert theta.min() >= np.float32(0.044)
    assert melt.min() >= 0.0


def test_more_rain_makes_wetter_soil_and_more_demand_drier():
    soil, (rain, air) = column(), weather()
    thirsty = Column(soil.capacity, soil.demand * 1.5, soil.ice_limit)
    plain, wet, dry = (
        advance(State.start(which), which, rain * factor, air, LATITUDE)[0].mean(axis=0)
        for which, factor in ((soil, 1.0), (soil, 1.3), (thirsty, 1.0))
    )
    assert np.all(wet > plain)
    assert np.all(dry < plain)


def test_radiation_at_the_top_of_the_atmosphere_equals_the_worked_example_of_fao_56():
    # Allen et al. (1998), FAO Irrigation and Drainage Paper 56, example 8: 3 September at 20 S
    value = extraterrestrial_radiation(np.array([-20.0]), np.array([246]))[0, 0]
    assert value == pytest.approx(32.2, abs=0.05)


def test_radiation_has_its_seasons():
    year = extraterrestrial_radiation(np.array([-38.0, 0.0, 38.0]), np.arange(1, 366))
    assert year.shape == (365, 3)
    assert 165 < year[:, 2].argmax() < 180
    assert year[:, 2].max() > 2.2 * year[:, 2].min()
    assert np.ptp(year[:, 1]) < 6.0
    # the Earth is nearest to the Sun in January
    assert year[:, 0].max() > year[:, 2].max()
