"""The bucket: mass, frost, a NumPy twin, calibration and bad input."""

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.vegetation.bucket import Soil, Weather, water_balance
from headwater.vegetation.calibration import calibrate_soil

KEEP = ("water", "transpiration", "evaporation", "runoff", "leakage", "snow", "stress")


def weather(days=3653, cells=6, *, seed=1):
    rng = np.random.default_rng(seed)
    air = -2.0 - 13.0 * np.cos(2 * np.pi * np.arange(days) / 365.25)[:, None]
    air = air + rng.normal(0, 3, (days, cells))
    rain = rng.gamma(0.4, 9.0, (days, cells)) * (rng.random((days, cells)) < 0.3)
    return Weather(rain, air, np.maximum(air + 5, 0) * 0.2, np.clip(air / 15, 0.02, 0.9))


def soil(cells=6):
    rng = np.random.default_rng(2)
    field = rng.uniform(0.18, 0.32, cells)
    return Soil(field, 0.4 * field, conductivity=rng.uniform(1, 300, cells))


@pytest.mark.parametrize("loss", ["laio", "fao56"])
def test_mass_is_conserved_over_ten_years(loss):
    found = water_balance(weather(), soil(), loss=loss, keep=KEEP)
    assert found.residual < 1e-10
    assert float(found.series["water"].min()) > 0
    out = sum(found.series[name].sum(axis=0) for name in KEEP[1:5])
    np.testing.assert_allclose(out, sum(found.sums[name] for name in KEEP[1:5]))


def twin_dry_day(content, soil_values, most, steps=20000):
    """One day of Laio's loss by small Euler steps."""
    field, star, wilting, dry, porosity, depth, k_factor, beta, least = soil_values
    water, leaked = content * depth, 0.0
    for _ in range(steps):
        theta = water / depth
        if theta > star:
            loss = most
        elif theta > wilting:
            loss = least + (most - least) * (theta - wilting) / (star - wilting)
        else:
            loss = least * max(theta - dry, 0) / (wilting - dry)
        leak = k_factor * np.expm1(beta * (theta - field) / porosity) if theta > field else 0.0
        water -= (loss + leak) / steps
        leaked += leak / steps
    return water / depth, leaked


@pytest.mark.parametrize("content", [0.42, 0.33, 0.2801, 0.25, 0.1901, 0.15, 0.1001, 0.08])
def test_a_day_equals_its_twin_in_small_steps(content):
    own = Soil(0.28, 0.10, conductivity=80.0)
    one = Weather(np.zeros(1), np.full(1, 15.0), np.full(1, 5.0), np.full(1, 0.7))
    begin = np.array([0.0, content * 400.0, 0.0, 10.0])
    found = water_balance(one, own, keep=("water", "leakage"), begin=begin).series
    k_factor = 80.0 / np.expm1(13.8 * (1 - 0.28 / 0.45))
    most = 5.0 * (0.7 + 0.5 * 0.3)
    values = (0.28, 0.19, 0.10, 0.05, 0.45, 400.0, k_factor, 13.8, 0.1)
    water, leaked = twin_dry_day(content, values, most)
    assert float(found["water"][0, 0]) == pytest.approx(water, abs=2e-5)
    assert float(found["leakage"][0, 0]) == pytest.approx(leaked, abs=5e-3)


def test_frozen_ground_keeps_its_water():
    cold = Weather(np.zeros(100), np.full(100, -20.0), np.full(100, 3.0), np.full(100, 0.5))
    begin = np.array([0.0, 100.0, 0.0, -20.0])
    found = water_balance(cold, Soil(0.28, 0.10), keep=("liquid", "water"), begin=begin).series
    assert float(found["liquid"][-1, 0]) == pytest.approx(0.15 * found["water"][-1, 0])
    warm = cold._replace(air=np.full(100, 15.0))
    other = water_balance(warm, Soil(0.28, 0.10), keep=("water",), begin=begin).series
    assert found["water"][-1, 0] > other["water"][-1, 0] + 0.02


def test_denser_cover_leaves_less_water():
    drives = weather(days=1500, cells=1)
    level = [
        water_balance(drives._replace(cover=np.full((1500, 1), c)), Soil(0.28, 0.10))
        .series["liquid"][400:]
        .mean()
        for c in (0.1, 0.5, 0.9)
    ]
    assert level[0] > level[1] > level[2]


def test_cells_without_soil_stay_missing_and_are_counted():
    field = np.array([0.28, np.nan])
    found = water_balance(weather(days=400, cells=2), Soil(field, 0.1))
    assert found.left_out == 1
    assert np.isnan(found.series["liquid"][:, 1]).all()
    assert np.isfinite(found.series["liquid"][:, 0]).all()


def test_state_continues_where_it_stopped():
    drives, own = weather(days=800), soil()
    whole = water_balance(drives, own).series["liquid"]
    first = water_balance(Weather(*(part[:500] for part in drives)), own)
    second = water_balance(Weather(*(part[500:] for part in drives)), own, begin=first.state)
    np.testing.assert_array_equal(whole[500:], second.series["liquid"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"demand": np.full((50, 6), -1.0)}, "impossible potential evapotranspiration"),
        ({"rain": np.full((50, 6), -1.0)}, "impossible rain"),
        ({"cover": np.full((50, 6), 70.0)}, "impossible cover"),
        ({"air": np.zeros((40, 6))}, "different lengths"),
    ],
)
def test_impossible_weather_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        water_balance(weather(days=50)._replace(**change), soil())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Soil(None, 0.1), "a soil without field capacity"),
        (Soil(0.1, 0.28), "must rise"),
        (Soil(np.full(6, np.nan), 0.1), "no cell can be computed"),
    ],
)
def test_impossible_soils_are_refused(bad, message):
    with pytest.raises(DataError, match=message):
        water_balance(weather(days=50), bad)


def test_calibration_finds_the_soil_and_covers_it():
    drives, true = weather(days=1461, cells=40, seed=4), soil(40)
    rng = np.random.default_rng(7)
    seen = water_balance(drives, true).series["liquid"]
    noise = rng.normal(0, 0.01, seen.shape)
    seen = np.where(rng.random(seen.shape) < 0.4, np.nan, seen + noise)
    fit = calibrate_soil(seen, drives, Soil(0.25, 0.10))
    # leakage and field capacity trade against each other, as the width of the intervals says
    assert np.median(np.abs(fit.soil.field_capacity - true.field_capacity)) < 0.006
    low, high = fit.low["field_capacity"], fit.high["field_capacity"]
    assert ((low < true.field_capacity) & (true.field_capacity < high)).mean() > 0.85
    assert np.median(fit.rmse) == pytest.approx(0.01, abs=0.001)
    assert np.ptp(fit.draw(rng).field_capacity - fit.soil.field_capacity) > 0


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(DataError, match="no soil can be calibrated"):
        calibrate_soil(np.full((500, 6), 0.2), weather(days=500), soil())
    with pytest.raises(DataError, match="no soil can be calibrated"):
        calibrate_soil(np.full((500, 6), np.nan), weather(days=500), soil())


def test_runoff_before_the_soil_is_full_keeps_mass_and_takes_from_the_soil():
    drives = weather()
    plain = water_balance(drives, soil(), keep=KEEP)
    shed = water_balance(drives, soil().with_values(runoff_power=1.0), keep=KEEP)
    assert shed.residual < 1e-10
    assert (shed.sums["runoff"] > plain.sums["runoff"] + 100).all()
    assert (shed.sums["transpiration"] < plain.sums["transpiration"]).all()


def test_calibration_adds_runoff_and_frost_only_where_soil_water_asks_for_them():
    drives, rng = weather(days=1461, cells=8, seed=4), np.random.default_rng(7)
    shed = np.arange(8) % 2 == 0
    power = np.where(shed, 0.4, 500.0)
    true = soil(8).with_values(runoff_power=power, unfrozen=0.7, conductivity=20.0)
    seen = water_balance(drives, true).series["liquid"] + rng.normal(0, 0.008, drives.rain.shape)
    fit = calibrate_soil(seen, drives, Soil(0.25, 0.10))
    assert (fit.r2 > 0.75).all()
    assert np.median(np.abs(fit.soil.unfrozen - 0.7)) < 0.1
    # without runoff in the truth none is fitted
    assert (fit.soil.runoff_power[~shed] > 10).all()
