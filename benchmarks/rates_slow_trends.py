"""How soon detectors find a slow decline: ``python -m benchmarks.rates_slow_trends``.

Writes the section of docs/simulations/warning.md; the seed is fixed.
"""

from __future__ import annotations

import numpy as np
from benchmarks._pages import write_section
from benchmarks.rates_warning import PAGE

from headwater.warning import calibrate_thresholds
from headwater.warning.baseline import autoregressive
from headwater.warning.charts import Detector, Tolerance
from headwater.warning.evaluation import detector_alarms

BEGIN, END = "## Slow trends", "<!-- end of slow trends -->"
SPLIT, PLACES, SEED = np.datetime64("2018-01-01"), 2000, 6
CASES = (
    (3, 0.0, 0.1),
    (3, 0.0, 0.2),
    (3, 0.0, 0.3),
    (6, 0.0, 0.1),
    (6, 0.0, 0.2),
    (6, 0.4, 0.1),
    (6, 0.4, 0.2),
)
DETECTORS = {
    "CUSUM 0.5": Detector(),
    "CUSUM 0.25": Detector(allowance=0.25),
    "CUSUM 0.08": Detector(allowance=0.08),
    "EWMA 0.15": Detector("ewma", smoothing=0.15),
    "EWMA 0.05": Detector("ewma", smoothing=0.05),
    "slow": Detector("ewma", smoothing=0.02),
}


def days(n_seasons: int) -> np.ndarray:
    return np.arange("2008-01-01", f"{2018 + n_seasons}-01-01", 16, dtype="datetime64[D]")


def shares(name: str, found: dict[tuple[int, float, float], dict[str, float]]) -> None:
    """Add the share of places that a detector finds, and of healthy ones that alarm."""
    for n_seasons in (3, 6):
        times = days(n_seasons)
        past = times < SPLIT
        year = times[past][times[past].astype("datetime64[Y]") == np.datetime64("2017")]
        limits = calibrate_thresholds(
            times[past],
            year,
            rng=np.random.default_rng([SEED, n_seasons]),
            tolerance=Tolerance(detector=DETECTORS[name], n_seasons=n_seasons, n_resamples=8000),
        )
        for case in CASES:
            if case[0] != n_seasons:
                continue
            _, memory, slope = case
            rng = np.random.default_rng([SEED, int(10 * memory)])
            noise = autoregressive(rng.standard_normal((len(times), PLACES)), memory)
            after = np.maximum((times - SPLIT).astype(int), 0)[:, None] / 365.25
            alarm = detector_alarms(limits, noise - slope * after, times, None, split=SPLIT)
            found.setdefault(case, {})[name] = float(np.isfinite(alarm).mean())


def main() -> None:
    """Write the section."""
    found: dict[tuple[int, float, float], dict[str, float]] = {}
    for name in DETECTORS:
        shares(name, found)
    rows = [
        f"| {n} | {memory:g} | {slope:g} | "
        + " | ".join(f"{found[n, memory, slope][name]:.3f}" for name in DETECTORS)
        + " |"
        for n, memory, slope in CASES
    ]
    words = (
        f"`python -m benchmarks.rates_slow_trends` (seed {SEED}). Share of {PLACES} places found, "
        "by slope in standard deviations of the noise a year; composites of 16 days, ten years of "
        "history, rate 0.01. *slow* is an EWMA of smoothing 0.02."
    )
    head = f"| seasons | memory φ | slope | {' | '.join(DETECTORS)} |\n|{'---|' * 9}"
    write_section(PAGE, BEGIN, END, f"{words}\n\n{head}\n" + "\n".join(rows))


if __name__ == "__main__":
    main()
