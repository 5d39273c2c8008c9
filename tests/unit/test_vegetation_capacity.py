"""Carrying capacity: its order, its interval, and what is refused."""

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.vegetation.bucket import Soil, Weather
from headwater.vegetation.capacity import COVERS, Exhaustion, Scenario, carrying_capacity

DAYS = np.arange(12 * 365)
YEARS = 2001 + DAYS // 365
SOIL = Soil(field_capacity=0.28, wilting_point=0.10)


def weather(rain=1.0, seed=1, cells=4):
    rng = np.random.default_rng(seed)
    day = DAYS % 365
    season = np.where((day > 120) & (day < 270), np.sin((day - 120) / 150 * np.pi), 0.0)
    fallen = rng.gamma(0.3, 8.0, (DAYS.size, cells)) * (rng.random((DAYS.size, cells)) < 0.3)
    air = -10.0 + 25.0 * season
    return Weather(rain * fallen, air, np.maximum(air, 0.0) * 0.25, season)


def capacity(drives, soils=(SOIL,), **options):
    options = {"rng": np.random.default_rng(3), "limit": Exhaustion(reserve=0.15)} | options
    return carrying_capacity(drives, soils, YEARS, **options)


def test_more_rain_carries_more():
    dry, wet = capacity(weather(0.8)), capacity(weather(1.6))
    assert (wet.cover >= dry.cover).all()
    assert wet.cover.mean() > dry.cover.mean() + 0.1


def test_a_drier_scenario_carries_less():
    now = capacity(weather())
    later = capacity(Scenario(rain=0.8, demand=1.1).of(weather()))
    assert (later.cover <= now.cover).all()
    assert later.cover.mean() < now.cover.mean()


def test_a_greater_risk_carries_more():
    careful, bold = (
        capacity(weather(), limit=Exhaustion(risk=risk, reserve=0.15)) for risk in (0.05, 0.4)
    )
    assert (bold.cover >= careful.cover).all()


def test_reserves_fall_as_cover_grows():
    found = capacity(weather())
    assert found.reserves.shape == (len(COVERS), 12, 4)
    assert (np.diff(np.quantile(found.reserves, 0.05, axis=1), axis=0) < 1e-3).all()


def test_soils_that_are_uncertain_widen_the_interval():
    one = capacity(weather(), model_error=0.0)
    others = [SOIL, Soil(0.24, 0.12), Soil(0.32, 0.08), Soil(0.30, 0.10)]
    many = capacity(weather(), others, model_error=0.0)
    assert (many.high - many.low).mean() > (one.high - one.low).mean()
    assert (capacity(weather()).high - capacity(weather()).low).mean() > 0.3


def test_cells_without_soil_have_no_capacity():
    field = np.array([0.28, np.nan, 0.28, 0.28])
    found = capacity(weather(), [Soil(field, 0.10)])
    assert np.isnan(found.cover[1])
    assert np.isfinite(found.cover[[0, 2, 3]]).all()


def test_where_water_never_lacks_the_limit_is_open():
    found = capacity(weather(10.0))
    assert found.at_limit.all()
    assert (found.cover == COVERS[-1]).all()


@pytest.mark.parametrize(
    ("soils", "years", "limit"),
    [
        ((), YEARS, Exhaustion()),
        ((SOIL,), np.full(DAYS.size, 2001), Exhaustion()),
        ((SOIL,), YEARS, Exhaustion(risk=0.0)),
    ],
)
def test_impossible_questions_are_refused(soils, years, limit):
    with pytest.raises(DataError, match="no carrying capacity"):
        carrying_capacity(weather(), soils, years, rng=np.random.default_rng(1), limit=limit)
