"""Evapotranspiration and the bucket against pyet, landlab and FAO 56.

Evapotranspiration: pyet 1.5.0 (MIT) on a synthetic year at 4000 m, 34.5 N (own closed formulas,
tests/data/alpine_year.csv), annual sums and single days. FAO 56 example 18: printed 3.9. Loss
function: landlab 2.11.0 (MIT) SoilMoisture, grass, no residual; its stress is taken at a mean state
and is not compared. All run on 2026-11-28. Priestley-Taylor of pyet lies up to 0.7 % from ours on
single days (another net radiation in winter), 0.02 % in the year.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.vegetation.bucket import Soil, Weather, dry_down, water_balance
from headwater.vegetation.evapotranspiration import reference_evapotranspiration

YEAR = pd.read_csv(Path(__file__).parents[1] / "data" / "alpine_year.csv", index_col="date")
DAYS = ["2021-06-15", "2021-07-10", "2021-08-31"]
PYET = {
    "penman_monteith": (847.2039, [3.9509276, 4.1490724, 2.8326800], 1e-6),
    "priestley_taylor": (970.4476, [5.0862590, 5.2749378, 3.1808845], 0.011),
    "hargreaves": (625.0106, [3.0687003, 3.2407123, 2.6853448], 1e-6),
}


def demand(method):
    return reference_evapotranspiration(
        YEAR["tmin"],
        YEAR["tmax"],
        YEAR["Ra"],
        method=method,
        radiation=YEAR["srad_MJ"],
        vapour_pressure=YEAR["vap_kPa"],
        wind=YEAR["wind2"],
        elevation=4000.0,
    )


@pytest.mark.parametrize("method", PYET)
def test_evapotranspiration_is_that_of_pyet(method):
    total, days, tolerance = PYET[method]
    found = demand(method)
    assert float(found.sum()) == pytest.approx(total, rel=3e-4)
    assert found.loc[DAYS].to_numpy() == pytest.approx(days, rel=tolerance)


# saturation at the start and the end, loss of wet soil [mm/d], days: landlab, n = 0.45, Zr = 0.4 m
LANDLAB = [
    (0.5, 0.46791666666666665, 2.8875, 2.0),
    (0.3, 0.25785541368333154, 3.3, 5.0),
    (0.12, 0.11661900779802584, 2.9, 10.0),
]


@pytest.mark.parametrize(("start", "end", "loss", "days"), LANDLAB)
def test_loss_function_is_that_of_landlab(start, end, loss, days):
    shade = 1.2 / 2.88 if start > 0.13 else 0.3 / 2.88
    star = 0.33 * shade + 0.56 * (1 - shade)
    content = 0.45 * np.array([0.56, 0.13, star, 0.10])
    soil = Soil(
        field_capacity=content[0],
        wilting_point=content[1],
        stress_point=content[2],
        hygroscopic_point=content[3],
        root_depth=400.0,
        porosity=0.45,
        bare_loss=0.1,
    )
    found = dry_down(0.45 * start, soil, demand=loss, days=days)
    assert found["water"] / 0.45 == pytest.approx(end, rel=1e-9)


def test_a_long_dry_spell_is_stress_though_its_mean_state_is_not():
    # the mean of start and end lies above the stress point: taken there, stress would be 0
    soil = Soil(0.252, 0.0585, stress_point=0.1485, hygroscopic_point=0.045, porosity=0.45)
    found = dry_down(0.22, soil, demand=3.6, days=15.0, power=4.0)
    assert (0.22 + found["water"]) / 2 > 0.1485
    assert found["stress"] > 0.003


def test_stress_coefficient_of_fao56():
    # 72 mm available, 43.2 mm readily; at a depletion of 60 mm Ks is 0.416667 (equation 84)
    soil = Soil(0.28, 0.10, root_depth=400.0, evaporation=0.0)
    one = Weather(np.zeros(1), np.full(1, 20.0), np.full(1, 4.0), np.ones(1))
    begin = np.array([0.0, 0.28 * 400.0 - 60.0, 18.0, 20.0])
    found = water_balance(one, soil, loss="fao56", keep=("transpiration",), begin=begin)
    assert float(found.series["transpiration"][0, 0]) == pytest.approx(4.0 * 0.416666666667)


def test_the_dry_spell_of_july_is_a_dry_spell():
    # growR and LINGRA wilt in it too: water limit .30 on 19 July, .09 on 31 July
    rain, air = YEAR["rain_mm"].to_numpy(), (YEAR["tmin"] + YEAR["tmax"]).to_numpy() / 2.0
    weather = Weather(rain, air, demand("penman_monteith").to_numpy(), np.full(365, 0.8))
    soil = Soil(field_capacity=0.28, wilting_point=0.10)
    found = water_balance(weather, soil, keep=("stress",)).series["stress"][:, 0]
    days = {name: YEAR.index.get_loc(f"2021-{name}") for name in ("07-05", "07-30")}
    assert found[days["07-30"]] > 0.3
    assert found[days["07-30"]] > found[days["07-05"]] + 0.2
