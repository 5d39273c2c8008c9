"""Detectors of vegetation loss on the same cases: ``python -m benchmarks.detectors_warning``.

Ours, nrt 0.3, COLD and S-CCD (pyxccd) and BEAST, where they are installed, on the simulated alpine
cases of tests/data/warning/alpine and on nrt's own generator; each is scored by the same function.
Nothing of ours is tuned to a case: rates are set, thresholds follow. nrt's EWMA is run as its
author advises (λ 0.3, sensitivity 4), the others with their defaults.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks._pages import write_section

from headwater.warning import calibrate_thresholds, score_detector
from headwater.warning.baseline import BaselineOptions, pool_memory
from headwater.warning.charts import DETECTORS, Thresholds, Tolerance
from headwater.warning.evaluation import detector_alarms, first_alarms
from headwater.warning.monitor import start_monitor, watch_dates

CASES = Path(__file__).parents[1] / "tests" / "data" / "warning" / "alpine"
PAGE = Path(__file__).parents[1] / "docs" / "simulations" / "warning.md"
BEGIN, END = "## Beside other programs", "<!-- end of programs -->"
SPLIT = np.datetime64("2018-01-01")
ALPINE = BaselineOptions(season=(150, 280))
WHOLE_YEAR = BaselineOptions(season=(0, 365), n_parts=1)
HEAD = (
    "| case | detector | hit | early | late | miss | false | median delay (d) | CPU s |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Case:
    """Places of which some lose greenness on a known day."""

    name: str
    values: np.ndarray
    days: np.ndarray
    event: np.ndarray
    options: BaselineOptions
    within: float
    water: np.ndarray | None = None
    split: np.datetime64 = SPLIT


def alpine(name: str, within: float) -> Case:
    held = np.load(CASES / f"{name}.npz")
    values = np.where(held["ndvi"] == -9999, np.nan, held["ndvi"] / 1000.0)
    days = np.datetime64("1970-01-01") + held["dates"].astype("timedelta64[D]")
    at = held["break_idx"]
    event = np.where(at >= 0, held["dates"][np.maximum(at, 0)], np.nan)
    water = held["soil_water"][None] / 100.0
    return Case(name, values, days, event, ALPINE, within, water)


def forest(weekly: bool) -> Case:
    """Series of nrt's own generator, which draws from the global state of NumPy."""
    from nrt.data import simulate

    np.random.seed(42 if weekly else 7)  # noqa: NPY002
    step = 7 if weekly else 16
    first = "2018-01-01" if weekly else "2010-01-01"
    days = np.arange(first, "2022-06-15", step, dtype="datetime64[D]")
    begin = int(np.searchsorted(days, np.datetime64("2020-01-01")))
    parameters = simulate.make_cube_parameters(
        shape=(30, 30),
        n_outliers_interval=(0, 5),
        n_nan_interval=(0, 7),
        break_idx_interval=(begin + 5, len(days) - 20),
    )
    cube = simulate.make_cube(dates=days, params_ds=parameters)
    at = parameters["break_idx"].values.ravel()
    number = days.astype(int).astype(float)
    broken = np.isfinite(at) & (at > 0)  # where nothing happens the generator gives no index
    event = np.where(broken, number[np.where(broken, at, 0).astype(int)], np.nan)
    name = "nrt's generator, " + ("weekly" if weekly else "16 days")
    split = np.datetime64("2020-01-01")
    values = np.asarray(cube.values, float).reshape(len(days), -1)
    return Case(name, values, days, event, WHOLE_YEAR, 180.0, None, split)


def limits(case: Case, kind: str, rate: float, covariates: int) -> Thresholds:
    past = case.days < case.split
    last = case.days[past][-1].astype("datetime64[Y]")
    year = case.days[case.days.astype("datetime64[Y]") == last]
    if len(np.unique(case.days[past].astype("datetime64[Y]"))) < 2:
        year = case.days[past][-int(365 / np.diff(case.days[:2]).astype(int)[0]) :]
    n_seasons = len(np.unique(case.days[~past].astype("datetime64[Y]")))
    return calibrate_thresholds(
        case.days[past],
        year,
        rng=np.random.default_rng(1),
        tolerance=Tolerance(
            rate=rate,
            detector=DETECTORS[kind],
            n_seasons=n_seasons,
            missing=float(np.isnan(case.values).mean()),
            n_covariates=covariates,
            n_resamples=8000,
        ),
        options=case.options,
    )


def pooled(case: Case, water: np.ndarray | None) -> Case:
    """The case with the memory of its places pooled, as a study does."""
    past = case.days < case.split
    memory = pool_memory(
        case.values[past],
        case.days[past],
        None if water is None else water[:, past],
        rng=np.random.default_rng(3),
        options=case.options,
    )
    return replace(case, options=replace(case.options, memory=memory))


def ours(bare: Case) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Our detectors with the alarms that each gives."""
    dry, wet = pooled(bare, None), pooled(bare, bare.water)
    for rate in (0.01, 0.002):
        for kind in DETECTORS:
            own = limits(dry, kind, rate, 0)
            yield f"Headwater {kind}, {rate:g}", _watched(dry, own, None)
            if wet.water is not None:
                own = limits(wet, kind, rate, 1)
                yield f"Headwater {kind}, {rate:g}, soil water", _watched(wet, own, wet.water)
    for kind in ("mosum", "cusum"):
        yield f"BFAST {kind} (ours)", _watched(bare, kind, None)
    own = limits(wet, "cusum", 0.01, int(wet.water is not None))
    yield "Headwater ladder 0.01, confirmed", lambda: _confirmed(wet, own)


def _watched(case: Case, detector, water) -> Callable[[], np.ndarray]:
    return lambda: detector_alarms(
        detector, case.values, case.days, water, split=case.split, options=case.options
    )


def _confirmed(case: Case, own: Thresholds) -> np.ndarray:
    past = case.days < case.split
    water = case.water
    monitor = start_monitor(
        case.values[past],
        case.days[past],
        None if water is None else water[:, past],
        thresholds=own,
        options=case.options,
    )
    later = None if water is None else water[:, ~past]
    seen, _ = watch_dates(monitor, case.values[~past], case.days[~past], later)
    return first_alarms(seen.state == 3, case.days[~past].astype(int))


def in_season(case: Case) -> np.ndarray:
    day = (case.days - case.days.astype("datetime64[Y]")).astype(int)
    return (day >= case.options.season[0]) & (day <= case.options.season[1])


def nrt_alarms(case: Case, kind: str) -> np.ndarray:
    """First alarms of nrt, on dates of the growing season, two harmonics."""
    import xarray as xr
    from nrt.monitor.ccdc import CCDC
    from nrt.monitor.cusum import CuSum
    from nrt.monitor.ewma import EWMA
    from nrt.monitor.mosum import MoSum

    keep = in_season(case)
    values, days = case.values[keep][:, None], case.days[keep]
    cube = xr.DataArray(values, {"time": days.astype("datetime64[ns]")}, ("time", "y", "x"))
    past = days < case.split
    made = {
        "EWMA": lambda: EWMA(trend=False, harmonic_order=2, lambda_=0.3, sensitivity=4),
        "EWMA, defaults": lambda: EWMA(trend=False, harmonic_order=2),
        "CUSUM": lambda: CuSum(trend=False, harmonic_order=2),
        "MOSUM": lambda: MoSum(trend=False, harmonic_order=2),
        "CCDC": lambda: CCDC(trend=True, harmonic_order=2),
    }[kind]()
    more = {"screen_outliers": None} if kind == "CCDC" else {}
    if kind in ("CUSUM", "MOSUM"):
        more = {"method": "OLS"}
    made.fit(cube[past], **more)
    for at in np.flatnonzero(~past):
        made.monitor(values[at], days[at].astype("datetime64[s]").item())
    found = made.detection_date.ravel().astype(float)
    return np.where(found > 0, found, np.nan)


def ccd_alarms(case: Case, kind: str) -> np.ndarray:
    """First break of COLD or S-CCD after the history, one band in ten-thousandths."""
    from pyxccd import cold_detect_flex, sccd_detect_flex

    run = cold_detect_flex if kind == "COLD" else sccd_detect_flex
    keep = in_season(case)
    number = case.days[keep].astype(np.int64) + 719_163
    start, alarms = case.split.astype(int) + 719_163, np.full(case.values.shape[1], np.nan)
    for place in range(len(alarms)):
        series = case.values[keep, place]
        seen = np.isfinite(series)
        band = np.round(series[seen] * 10_000).astype(np.int64)[:, None]
        found = run(number[seen], band, np.zeros(seen.sum(), np.int64), lam=20)
        records = getattr(found, "rec_cg", found)
        breaks = [one["t_break"] for one in records if one["t_break"] >= start]
        alarms[place] = min(breaks) - 719_163 if breaks else np.nan
    return alarms


def beast_alarms(case: Case) -> np.ndarray:
    """First change of trend after the history that BEAST gives a probability of a half.

    It looks back over the whole record: its date is that of the change, not of an alarm.
    """
    import Rbeast

    alarms = np.full(case.values.shape[1], np.nan)
    number = case.days.astype(int).astype(float)
    step = float(np.diff(number)[0])
    for place in range(len(alarms)):
        found = Rbeast.beast(
            case.values[:, place],
            start=0,
            deltat=1,
            period=365.25 / step,
            quiet=True,
            mcmc_seed=1,
            mcmc_samples=2000,
        )
        at, chance = np.ravel(found.trend.cp), np.ravel(found.trend.cpPr)
        days = number[at[(chance >= 0.5) & np.isfinite(at)].astype(int)]
        days = days[days >= case.split.astype(int)]
        alarms[place] = days.min() if len(days) else np.nan
    return alarms


def peers(case: Case) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    if importlib.util.find_spec("nrt"):
        for kind in ("EWMA", "EWMA, defaults", "CUSUM", "MOSUM", "CCDC"):
            yield f"nrt {kind}", lambda kind=kind: nrt_alarms(case, kind)
    if importlib.util.find_spec("pyxccd"):
        for kind in ("COLD", "S-CCD"):
            yield kind, lambda kind=kind: ccd_alarms(case, kind)
    if importlib.util.find_spec("Rbeast") and case.name == "abrupt":
        yield "BEAST (looks back)", lambda: beast_alarms(case)


def line(case: Case, name: str, run: Callable[[], np.ndarray]) -> str:
    started = time.process_time()
    alarm = run()
    spent = time.process_time() - started
    number = case.days.astype(int).astype(float)
    row = score_detector(
        alarm,
        case.event,
        start=float(case.split.astype(int)),
        end=number[-1],
        within=case.within,
    ).data.iloc[0]
    shares = " | ".join(f"{row[one]:.3f}" for one in ("hit", "early", "late", "miss"))
    false, delay = row["false_share"], row["delay_median"]
    return f"| {case.name} | {name} | {shares} | {false:.3f} | {delay:.0f} | {spent:.2f} |"


def cases() -> list[Case]:
    found = [alpine("abrupt", 365.0), alpine("gradual", 730.0), alpine("transient", 365.0)]
    if importlib.util.find_spec("nrt"):
        found += [forest(weekly=True), forest(weekly=False)]
    return found


def main() -> None:
    """Print the table and write it to the page; only some cases where their names are given."""
    print(HEAD)
    rows = []
    for case in cases():
        if not case.name.startswith(tuple(sys.argv[1:]) or ""):
            continue
        for name, run in (*ours(case), *peers(case)):
            rows.append(line(case, name, run))
            print(rows[-1], flush=True)
    if not sys.argv[1:]:
        words = (
            "`python -m benchmarks.detectors_warning`. Alpine grassland of our own simulation "
            "(tests/data/warning/alpine: 300 places, 16-day composites, ten years of history, six "
            "seasons watched; half lose 35 % of the seasonal amplitude at once, 10 % a year, or "
            "for 128 days) and series of nrt's generator. A hit is found within 365 days (gradual: "
            "730; generator: 180). *False* is the share of places without an event that ever alarm;"
            " numbers are the tolerated rates per place and season, so 0.01 lets expect 0.06 in "
            "six seasons. The transient dips recover: what counts is that they are not confirmed."
        )
        write_section(PAGE, BEGIN, END, f"{words}\n\n{HEAD}\n" + "\n".join(rows))


if __name__ == "__main__":
    main()
