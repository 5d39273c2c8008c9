"""Validation against pytesmo in one run: `python -m benchmarks.validation`."""

from __future__ import annotations

import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from headwater.validation.agreement_intervals import agreement
from headwater.validation.anomalies import long_term_anomalies, short_term_anomalies
from headwater.validation.collocation import triple_collocation
from headwater.validation.matching import match_times
from headwater.validation.scaling import fit_scaling

HAS_PEER = importlib.util.find_spec("pytesmo") is not None
ALL_BY_PEER = (
    "bias",
    "aad",
    "mad",
    "msd",
    "rmsd",
    "nrmsd",
    "ubrmsd",
    "mse_bias",
    "mse_var",
    "mse_corr",
    "RSS",
    "pearson_r",
    "spearman_r",
    "kendall_tau",
    "nash_sutcliffe",
    "index_of_agreement",
)


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the median CPU time of a call, after one to warm up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call()
        times = []
        for _ in range(repeats):
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
    return statistics.median(times)


def row(task: str, ours: Callable, peer: Callable | None, note: str, repeats: int = 5) -> dict:
    theirs = seconds(peer, repeats) if HAS_PEER and peer is not None else None
    note = note if HAS_PEER else f"{note}; pytesmo is not installed"
    return {
        "task": task,
        "ours": seconds(ours, repeats),
        "peer": theirs,
        "peer_name": "pytesmo",
        "target": "",
        "note": note,
    }


def matching_rows() -> list[dict]:
    """Ten years of hours at a station, brought to the overpasses of a satellite."""
    rng = np.random.default_rng(1)
    hours = pd.date_range("2012-01-01", "2021-12-31 23:00", freq="h")
    station = pd.Series(rng.random(len(hours)), hours)
    passes = pd.date_range("2012-01-01 05:37", "2021-12-31", freq="D") + pd.to_timedelta(
        rng.integers(-40, 40, 3652), "min"
    )
    found = []
    for method, half in (("nearest", 0.5), ("mean", 0.5)):
        found.append(
            row(
                f"match {len(hours):,} hours to {len(passes):,} overpasses, {method}",
                lambda m=method, h=half: match_times(
                    passes, station.index, station.to_numpy(), window=h, method=m
                ),
                lambda m=method, h=half: peer_matching(station, passes, h, m),
                "pytesmo.temporal_matching.temporal_collocation",
            )
        )
    return found


def peer_matching(station: pd.Series, passes: pd.DatetimeIndex, half: float, method: str) -> object:
    from pytesmo.temporal_matching import temporal_collocation

    return temporal_collocation(passes, station, half, method=method)


def peer_bootstrap(x: np.ndarray, y: np.ndarray) -> None:
    from pytesmo.metrics import confidence_intervals, pairwise

    for name in ALL_BY_PEER:
        confidence_intervals.with_bootstrapped_ci(getattr(pairwise, name), x, y, nsamples=999)


def peer_analytical(x: np.ndarray, y: np.ndarray) -> None:
    from pytesmo.metrics import confidence_intervals, pairwise

    for name in ALL_BY_PEER:
        getattr(pairwise, name)(x, y)
    for name in pairwise.has_ci:
        confidence_intervals.with_analytical_ci(name, x, y)


def peer_triple(frame: pd.DataFrame) -> object:
    from pytesmo.metrics.confidence_intervals import tcol_metrics_with_bootstrapped_ci

    return tcol_metrics_with_bootstrapped_ci(*frame.to_numpy().T, nsamples=1000)


def peer_cdf(x: np.ndarray, y: np.ndarray) -> object:
    from pytesmo.scaling import cdf_match

    return cdf_match(x, y)


def peer_anomalies(series: pd.Series) -> None:
    from pytesmo.time_series.anomaly import calc_anomaly, calc_climatology

    calc_anomaly(series)
    calc_anomaly(series, climatology=calc_climatology(series, moving_avg_clim=30))


def rows() -> list[dict]:
    rng = np.random.default_rng(2)
    days = pd.date_range("2012-01-01", periods=3650)
    y = 0.25 + 0.05 * rng.normal(size=3650)
    x = y + 0.03 * rng.normal(size=3650)
    frame = pd.DataFrame({"x": x, "y": y, "z": y + 0.02 * rng.normal(size=3650)})
    series = pd.Series(x, days)
    short = slice(0, 500)
    return [
        *matching_rows(),
        row(
            "CDF matching, 3650 days",
            lambda: fit_scaling(x, y, "cdf_match").transform(x),
            lambda: peer_cdf(x, y),
            "same values to 1e-12",
        ),
        row(
            "anomalies from 35 days and from the mean year, 3650 days",
            lambda: (short_term_anomalies(days, x), long_term_anomalies(days, x)),
            lambda: peer_anomalies(series),
            "",
        ),
        row(
            "16 measures with intervals, 3650 days",
            lambda: agreement(x, y),
            lambda: peer_analytical(x, y),
            "ours: 16 intervals from effective sizes; peer: 5 that assume independence",
        ),
        row(
            "16 measures with 999 bootstrap n_resamples, 500 days",
            lambda: agreement(
                x[short],
                y[short],
                interval="bootstrap",
                n_resamples=999,
                rng=np.random.default_rng(1),
            ),
            lambda: peer_bootstrap(x[short], y[short]),
            "ours: blocks of days, all measures on one resample; peer: single days",
            2,
        ),
        row(
            "triple collocation with 1000 n_resamples, 3650 days",
            lambda: triple_collocation(frame, rng=np.random.default_rng(1), n_resamples=1000),
            lambda: peer_triple(frame),
            "ours: blocks of days; peer: single days",
            2,
        ),
    ]


if __name__ == "__main__":
    for entry in rows():
        print(entry)
