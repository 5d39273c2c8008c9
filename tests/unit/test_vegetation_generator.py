"""The weather generator gives back spells, amounts, warmth and what years differ by."""

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError
from headwater.vegetation.bucket import Weather
from headwater.vegetation.generator import WET_DAY, fit_generator

DAYS = pd.date_range("2001-01-01", "2020-12-31")


@pytest.fixture(scope="module")
def record():
    """Wet summers, dry winters, spells, warmth that is lower on wet days, and dry years."""
    rng = np.random.default_rng(1)
    summer = (DAYS.month >= 5) & (DAYS.month <= 9)
    wet = np.zeros((len(DAYS), 2), bool)
    for t in range(1, len(DAYS)):
        chance = np.where(wet[t - 1], 0.6, 0.25 if summer[t] else 0.08)
        wet[t] = rng.random(2) < chance
    factor = rng.gamma(20.0, 1 / 20.0, (20, 1))[DAYS.year - 2001]
    rain = np.where(wet, (rng.gamma(0.8, 6.0, wet.shape) + WET_DAY) * factor, 0.0)
    noise = np.zeros((len(DAYS), 2))
    for t in range(1, len(DAYS)):
        noise[t] = 0.7 * noise[t - 1] + rng.normal(0, 1.5, 2)
    air = 2 + 14 * np.sin((DAYS.day_of_year.to_numpy()[:, None] - 110) / 58.1) + noise - 2.0 * wet
    demand = np.clip(0.2 * (air + 5), 0, None)
    return Weather(rain, air, demand, np.full(rain.shape, 0.5))


@pytest.fixture(scope="module")
def drawn(record):
    return fit_generator(record, DAYS).draw(200, rng=np.random.default_rng(3))


def monthly(values, months):
    return np.array([values[months == m].mean() for m in range(1, 13)])


def test_rain_and_wet_days_by_month(record, drawn):
    weather, years = drawn
    assert len(years) == 200 * 365
    months = np.tile(pd.date_range("2001-01-01", "2001-12-31").month, 200)
    for take in (lambda r: r, lambda r: r >= WET_DAY):
        seen, made = monthly(take(record.rain), DAYS.month), monthly(take(weather.rain), months)
        assert abs(made.sum() / seen.sum() - 1) < 0.06
        np.testing.assert_allclose(made, seen, rtol=0.35)


def test_spells(record, drawn):
    def after_wet(rain):
        wet = rain >= WET_DAY
        return wet[1:][wet[:-1]].mean()

    assert abs(after_wet(drawn[0].rain) - after_wet(record.rain)) < 0.03


def test_warmth_depends_on_the_day_and_lasts(record, drawn):
    def facts(weather, of):
        wet = weather.rain[of] >= WET_DAY
        air = weather.air[of]
        return np.array([air[wet].mean(), air[~wet].mean(), air.std()])

    july = np.tile(pd.date_range("2001-01-01", "2001-12-31").month == 7, 200)
    np.testing.assert_allclose(facts(drawn[0], july), facts(record, DAYS.month == 7), atol=0.6)
    pairs = [
        np.corrcoef(np.diff(w.air[:, 0], 8)[1:], np.diff(w.air[:, 0], 8)[:-1])[0, 1]
        for w in (record, drawn[0])
    ]
    assert abs(pairs[0] - pairs[1]) < 0.1


def test_years_differ_as_in_the_record(record, drawn):
    seen = pd.DataFrame(record.rain).groupby(DAYS.year).sum()
    made = pd.DataFrame(drawn[0].rain).groupby(drawn[1]).sum()
    ratio = made.std().to_numpy() / seen.std().to_numpy()
    assert (ratio > 0.6).all()
    assert (ratio < 1.6).all()


def test_the_same_chance_draws_the_same_weather(record):
    fitted = fit_generator(record, DAYS)
    one, other = (fitted.draw(3, rng=np.random.default_rng(7))[0] for _ in range(2))
    assert (one.rain == other.rain).all()
    assert (one.air == other.air).all()


def test_gaps_and_short_records_are_refused(record):
    broken = record._replace(rain=np.where(record.rain > 30, np.nan, record.rain))
    with pytest.raises(DataError, match="no weather generator"):
        fit_generator(broken, DAYS)
    short = Weather(*(part[:730] for part in record))
    with pytest.raises(DataError, match="2 years"):
        fit_generator(short, DAYS[:730])
