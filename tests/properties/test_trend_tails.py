"""The tail of the persistent test, on series that its tables were not made from."""

import numpy as np
import pytest

from headwater.inference import fdr
from headwater.variation import persistent_mann_kendall


def noise(n: int, phi: float, series: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(n, series))
    values[0] /= np.sqrt(1.0 - phi * phi)
    for i in range(1, n):
        values[i] += phi * values[i - 1]
    return values


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.0, 0.5])
@pytest.mark.parametrize("n", [15, 20])
def test_sizes_hold_in_the_tail(n, phi) -> None:
    p = persistent_mann_kendall(noise(n, phi, 200_000, 29))["p"].values
    # 10 000, 2000 and 200 series are expected below the levels
    for level, low, high in ((0.05, 0.75, 1.4), (0.01, 0.7, 1.4), (1e-3, 0.5, 1.5)):
        assert low < (p <= level).mean() / level < high, level


@pytest.mark.slow
def test_maps_of_noise_show_nothing() -> None:
    p = persistent_mann_kendall(noise(20, 0.5, 200_000, 31))["p"].values.reshape(20, 10_000)
    # 7 % of maps at most may have a hit: 20 maps have 5 or more with probability 0.01
    assert sum(fdr(row).passed > 0 for row in p) < 5


@pytest.mark.parametrize("phi", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("n", [3, 4, 5, 9, 10, 20, 40])
def test_intervals_are_missing_in_no_cell_and_hold_the_slope(n, phi) -> None:
    found = persistent_mann_kendall(noise(n, phi, 400, 37))
    low, slope, high = (found[name].values for name in ("slope_low", "slope", "slope_high"))
    assert (np.isfinite(low) & np.isfinite(high)).all()
    assert ((low <= slope) & (slope <= high)).all()
    # without a trend the interval holds zero wherever the test does not reject
    ranks = found["least_squares_interval"].values == 0
    kept = (found["p"].values > 0.055) & ranks & (n >= 10)
    assert ((low <= 0) & (high >= 0))[kept].all()


def test_a_perfect_line_has_the_smallest_p() -> None:
    for n in (12, 20, 60):
        found = persistent_mann_kendall(np.arange(float(n)))
        assert float(found["p"]) == pytest.approx(float(found["smallest_p"]))
        assert float(found["slope_low"]) == pytest.approx(1.0)
