"""Kriging against PyKrige.

Source: PyKrige 1.7.3 (NumPy 2.4.6, SciPy 1.17.1): `OrdinaryKriging` and, with a specified drift,
`UniversalKriging`, each `.execute("points", ...)`, on the stations below. Its parameters are (sill
1.2, range, nugget 0.15) with range 45 (spherical), 60 (exponential, ours 60/3), 30 (gaussian, ours
30·4/7), 3 degrees (geographic); "local" is `backend="loop", n_closest_points=9`.
"""

import numpy as np
import pytest

from headwater.grids.kriging import Kriging
from headwater.grids.variogram import Variogram

NUMBER = np.arange(1, 41)
PLACES = 100 * ((NUMBER[:, None] * [0.7548776662466927, 0.5698402909980532]) % 1)
TARGETS = np.array([[-5.0, 10.0], [20.0, 20.0], [50.0, 55.0], [80.0, 35.0], [99.0, 99.0]])
VALUES = np.sin(PLACES[:, 0] / 15) + 0.02 * PLACES[:, 1] + 0.2 * np.cos(7.0 * NUMBER)
SPHERICAL = Variogram("spherical", nugget=0.15, partial_sill=1.05, range=45.0)

# estimates, variances
EXPECTED = {
    "spherical": (
        [
            0.7806518291919106,
            1.16885604492875,
            0.8178762098860309,
            -0.05194758028665975,
            1.2482458914395778,
        ],
        [
            0.8613617281476933,
            0.4821403291889945,
            0.556458299694904,
            0.48189004457326323,
            0.9011283625421871,
        ],
    ),
    "exponential": (
        [
            0.8503006145912247,
            1.1395613030400613,
            0.8422859903553774,
            -0.0237951967657975,
            1.1749749854418057,
        ],
        [
            0.9353930571826257,
            0.5834889786709165,
            0.6883906476904829,
            0.5862426543087359,
            0.9664880299457861,
        ],
    ),
    "gaussian": (
        [
            0.8141489235826186,
            1.2335773338033873,
            0.7250661844474859,
            -0.06039120784396524,
            1.2594996860640577,
        ],
        [
            0.8782550647788432,
            0.34638278674452994,
            0.4887087899427681,
            0.33114290661456464,
            0.9384500369262342,
        ],
    ),
    "local": (
        [
            0.7684300745177545,
            1.1291128648484672,
            0.8613955054379228,
            -0.05631283541178915,
            1.1566046491328752,
        ],
        [
            0.9167693060666047,
            0.48601346948846824,
            0.5759536669554435,
            0.4859908526801835,
            0.9776178095070356,
        ],
    ),
    "drift": (
        [
            0.9957817141114891,
            1.1813159050275661,
            0.7565111021798424,
            -0.09776867823830926,
            1.8130756799787886,
        ],
        [
            0.870115615793659,
            0.48216969390536757,
            0.5571705661316021,
            0.48228717252997333,
            0.9614724416747815,
        ],
    ),
    "geographic": (
        [
            0.6695070241913403,
            1.2459334770373995,
            0.8886939573618816,
            -0.13318182828652458,
            1.306164370251912,
        ],
        [
            0.8605938294361599,
            0.4955861408489437,
            0.492969055992155,
            0.40738086998855705,
            0.8850659133499361,
        ],
    ),
}


def elevation(places):
    return 30 * np.cos(places[:, 0] / 20) + 0.3 * places[:, 1]


def check(name, kriging, targets=TARGETS, drift=None):
    estimate, variance = EXPECTED[name]
    weights = kriging.weights(targets, drift)
    for made in (kriging.predict(VALUES, targets, drift), weights.apply(VALUES)):
        np.testing.assert_allclose(made, estimate, rtol=0, atol=1e-10)
    for made in (kriging.variance(targets, drift), weights.variance):
        np.testing.assert_allclose(made, variance, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("model", "reach"), [("spherical", 45.0), ("exponential", 20.0), ("gaussian", 120.0 / 7.0)]
)
def test_ordinary_global(model, reach):
    check(model, Kriging(Variogram(model, 0.15, 1.05, reach)).fit(PLACES))


def test_ordinary_local():
    check("local", Kriging(SPHERICAL, neighbours=9).fit(PLACES))


def test_external_drift():
    check("drift", Kriging(SPHERICAL).fit(PLACES, elevation(PLACES)), drift=elevation(TARGETS))


def test_great_circle():
    reach = np.deg2rad(3.0) * 6_371_008.8
    kriging = Kriging(Variogram("spherical", 0.15, 1.05, reach), geographic=True)
    degrees, origin = np.array([10.0, 25.0]), np.array([94.0, 36.0])
    check("geographic", kriging.fit(origin + PLACES / degrees), origin + TARGETS / degrees)
