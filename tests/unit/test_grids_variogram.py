"""The variogram: what pairs say, what a model says, and how the one follows the other."""

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError
from headwater.grids.variogram import (
    MODELS,
    EmpiricalVariogram,
    Variogram,
    empirical_variogram,
    fit_variogram,
)

RNG = np.random.default_rng(6)
PLACES = RNG.uniform(0, 10, (30, 2))
VALUES = RNG.normal(size=(7, 30))


def test_pairs_of_the_same_time_and_no_others():
    values = VALUES.copy()
    values[RNG.random(values.shape) < 0.2] = np.nan
    made = empirical_variogram(PLACES, values, bins=4, cutoff=6.0)
    sums = np.zeros((3, 4))
    for day in values:
        for i in range(30):
            for j in range(i):
                h = np.linalg.norm(PLACES[i] - PLACES[j])
                if h <= 6 and np.isfinite(day[i] - day[j]):
                    sums[:, int(np.ceil(h / 1.5)) - 1] += 1, h, (day[i] - day[j]) ** 2
    np.testing.assert_allclose(made.pairs, sums[0])
    np.testing.assert_allclose(made.distance, sums[1] / sums[0])
    np.testing.assert_allclose(made.gamma, sums[2] / sums[0] / 2)
    assert made.places == 30


def test_blocks_do_not_show(monkeypatch):
    from headwater.grids import variogram

    whole = empirical_variogram(PLACES, VALUES)
    monkeypatch.setattr(variogram, "_PAIRS_AT_ONCE", 100)
    parts = empirical_variogram(PLACES, VALUES)
    np.testing.assert_allclose(parts.gamma, whole.gamma)


def test_a_large_mean_costs_no_digits():
    one = empirical_variogram(PLACES, VALUES)
    far = empirical_variogram(PLACES, VALUES + 1e6)
    np.testing.assert_allclose(far.gamma, one.gamma, rtol=1e-8)


def test_drift_is_taken_out_every_day():
    height = PLACES[:, 0] * 300
    values = VALUES + np.arange(7.0)[:, None] * height
    values[2, :4] = np.nan
    flat = VALUES.copy()
    flat[2, :4] = np.nan
    made = empirical_variogram(PLACES, values, drift=height)
    np.testing.assert_allclose(made.gamma, empirical_variogram(PLACES, flat, drift=height).gamma)


def test_great_circle_distance_is_that_of_the_sphere():
    made = empirical_variogram(
        [[100.0, 60.0], [101.0, 60.0]], [0.0, 1.0], geographic=True, bins=1, cutoff=1e6
    )
    angle = np.arccos(np.sin(np.pi / 3) ** 2 + np.cos(np.pi / 3) ** 2 * np.cos(np.pi / 180))
    assert made.distance[0] == pytest.approx(6_371_008.8 * angle, rel=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_fit_finds_its_own_model_again(model):
    truth = Variogram(model, nugget=0.3, partial_sill=2.0, range=40_000.0)
    h = np.linspace(3e3, 150e3, 25)
    fitted = fit_variogram(EmpiricalVariogram(h, truth(h), np.full(25, 90.0), 50))
    assert fitted.model == model
    found = (fitted.nugget, fitted.partial_sill, fitted.range)
    np.testing.assert_allclose(found, (0.3, 2.0, 40_000.0), rtol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_models_rise_from_the_nugget_to_the_sill(model):
    variogram = Variogram(model, nugget=0.3, partial_sill=2.0, range=10.0)
    gamma = variogram(np.linspace(0, 200, 500))
    assert gamma[0] == 0.0
    assert variogram(1e-9) == pytest.approx(0.3)
    assert (np.diff(gamma) >= 0).all()
    assert gamma[-1] == pytest.approx(variogram.sill)
    share = (variogram(variogram.effective_range) - 0.3) / 2.0
    assert share == pytest.approx(1.0 if model == "spherical" else 0.95, rel=1e-6)


def test_figure_draws_the_bins_and_the_model_through_them(shows):
    made = empirical_variogram(PLACES * 1000, VALUES)
    bins = pd.DataFrame({"distance": made.distance / 1000, "gamma": made.gamma})
    assert made.plot().axes[0].get_xlabel() == "Distance (km)"
    shows(made.plot(), bins, "distance", "gamma")
    model = fit_variogram(made)
    x, y = max(
        (line.get_data() for line in made.plot(model=model).axes[0].lines),
        key=lambda data: len(data[0]),
    )
    assert len(x) > 20
    np.testing.assert_allclose(y, model(1000 * np.asarray(x)))
    shows(made.plot(model=model), bins, "distance", "gamma")


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        (("sperical", 0.0, 1.0, 1.0), "unknown variogram model"),
        (("spherical", -0.1, 1.0, 1.0), "make no variogram"),
        (("spherical", 0.0, 0.0, 1.0), "make no variogram"),
        (("spherical", 0.0, 1.0, 0.0), "make no variogram"),
        (("spherical", 0.0, 1.0, np.nan), "make no variogram"),
        (("spherical", 0.0, np.inf, 1.0), "make no variogram"),
    ],
)
def test_bad_models_are_named(parameters, wrong):
    with pytest.raises(DataError, match=wrong):
        Variogram(*parameters)


def test_what_cannot_be_measured_or_fitted_is_named():
    with pytest.raises(DataError, match="do not match"):
        empirical_variogram(PLACES, VALUES[:, :5])
    with pytest.raises(DataError, match="do not match"):
        empirical_variogram(PLACES, np.full(30, np.inf))
    with pytest.raises(DataError, match="no two stations"):
        empirical_variogram(PLACES, np.full(30, np.nan))
    with pytest.raises(DataError, match="no variogram can be fitted"):
        fit_variogram(empirical_variogram(PLACES, np.ones(30)))
    with pytest.raises(DataError, match="unknown variogram model"):
        fit_variogram(empirical_variogram(PLACES, VALUES), "cubic")
