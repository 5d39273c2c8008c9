"""Logistic growth: its equilibrium, grazing, its season, and what a fit gives back."""

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.vegetation.growth import fit_growth, grow_cover, season_gate

OWN = {"rate": 0.12, "densest": 0.9, "dry": 0.05, "half": 0.06, "fade": 0.06, "least": 0.04}
DAYS = np.arange(4 * 365)


def test_equilibrium_under_grazing_is_lower_by_the_share_of_grazing_in_growth():
    water = np.full(900, 0.2)
    limit = 0.9 * 0.15 / 0.21
    free = grow_cover(water, np.ones(900), OWN)[-1, 0]
    grazed = grow_cover(water, np.ones(900), OWN, grazing=0.03)[-1, 0]
    assert free == pytest.approx(limit, rel=1e-6)
    assert grazed == pytest.approx(limit * (1 - 0.03 / 0.12), rel=1e-6)


def test_a_day_is_the_solution_of_the_equation():
    limit = 0.9 * 0.15 / 0.21
    begin, fine = 0.1, 0.1
    found = grow_cover(np.full(5, 0.2), np.full(5, 0.7), OWN, grazing=0.01, begin=begin)[:, 0]
    steps = 20000
    for _ in range(5 * steps):
        fine += (0.12 * 0.7 * fine * (1 - fine / limit) - 0.01 * fine) / steps
    assert found[-1] == pytest.approx(fine, rel=1e-5)


def test_too_much_grazing_leaves_what_stays():
    found = grow_cover(np.full(900, 0.2), np.ones(900), OWN, grazing=0.2)
    assert found[-1, 0] == pytest.approx(OWN["least"])


def test_nothing_grows_out_of_season_or_on_frozen_ground():
    air = np.full(60, 15.0)
    assert season_gate(air)[-1] == 1.0
    assert season_gate(-air).max() == 0.0
    thawed = np.arange(60) >= 30
    gate = season_gate(air, thawed=thawed)
    assert gate[:30].max() == 0.0
    assert gate[-1] == 1.0
    found = grow_cover(np.full(60, 0.2), gate, OWN, begin=0.5)[:, 0]
    assert (np.diff(found[:30]) < 0).all()
    assert found[-1] > found[29]


def test_a_fit_gives_back_what_water_lets_stand_within_its_interval():
    rng = np.random.default_rng(1)
    air = 12 * np.sin((DAYS % 365 - 110) / 58.1)[:, None] + np.zeros(3)
    water = 0.12 + 0.06 * np.sin(DAYS / np.array([[190.0], [231.0], [167.0]])).T
    gate = season_gate(air)
    seen = np.full(water.shape, np.nan)
    truth = grow_cover(water, gate, OWN)
    seen[::8] = truth[::8] + rng.normal(0, 0.01, truth[::8].shape)
    found = fit_growth(seen, water, gate)
    assert (found.r2 > 0.97).all()
    for at in (0.10, 0.15):
        right = 0.9 * (at - 0.05) / (at - 0.05 + 0.06)
        np.testing.assert_allclose(found.limit(at), right, rtol=0.1)
    held = [(found.low[name] <= OWN[name]) & (OWN[name] <= found.high[name]) for name in OWN]
    assert np.mean(held) > 0.7


def test_constant_cover_and_gaps_of_water_are_refused():
    water, gate = np.full((400, 1), 0.15), np.ones((400, 1))
    with pytest.raises(DataError, match="growth cannot be fitted"):
        fit_growth(np.full((400, 1), 0.4), water, gate)
    water[7] = np.nan
    with pytest.raises(DataError, match="1 gaps"):
        grow_cover(water, gate, OWN)
    with pytest.raises(DataError, match="grazing"):
        grow_cover(np.full(9, 0.1), np.ones(9), OWN, grazing=-0.1)
