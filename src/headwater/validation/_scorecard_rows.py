"""The groups of a scorecard and the rows of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headwater.validation.agreement import MEASURES
from headwater.validation.agreement_intervals import agreement
from headwater.validation.anomalies import long_term_anomalies, short_term_anomalies
from headwater.validation.effective_size import fit_persistence
from headwater.validation.gain import (
    downscaling_gain,
    spatial_correlation,
    within_cell_correlation,
)

__all__: list[str] = []

_TINY = 1e-12
_SEASONS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}

SERIES = ("raw", "short-term anomaly", "long-term anomaly")
"""What is compared: values, departures from 35 days around, departures from the mean year."""

COLUMNS = [
    "grouping",
    "group",
    "series",
    "measure",
    "value",
    "low",
    "high",
    "n",
    "n_effective",
    "stations",
    "unit",
]


@dataclass(frozen=True, slots=True)
class ScorecardOptions:
    """How a scorecard is made.

    Attributes
    ----------
    level : float
        Coverage of the intervals [1].
    interval : {"effective", "bootstrap", "independent"}
        As for :func:`headwater.validation.agreement`.
    least : int
        Fewest pairs for a station to count in a group.
    series : tuple of str
        Out of :data:`SERIES`.
    seasons : mapping of str to months
        Season by name; empty for none.
    units : str
        Unit of both products.
    """

    level: float = 0.95
    interval: str = "effective"
    least: int = 30
    series: tuple[str, ...] = SERIES[:2]
    seasons: Mapping[str, Sequence[int]] = field(default_factory=lambda: dict(_SEASONS))
    units: str = "m3 m-3"


def series_of(values: pd.DataFrame, series: str) -> pd.DataFrame:
    """Turn values into the series of this name, anomalies or the values themselves."""
    if series == "raw":
        return values
    subtract = short_term_anomalies if series == SERIES[1] else long_term_anomalies
    return pd.DataFrame(
        subtract(values.index, values.to_numpy()), index=values.index, columns=values.columns
    )


def groups_of(
    frame: pd.DataFrame,
    strata: Mapping[str, str] | None,
    periods: Mapping[str, tuple[Any, Any]] | None,
    seasons: Mapping[str, Sequence[int]],
) -> Iterator[tuple[str, str, Any, list[str]]]:
    """Name every group, the times in it and its stations."""
    index, names = pd.DatetimeIndex(frame.index), list(frame.columns)
    always = np.ones(len(index), dtype=bool)
    yield "all", "all", always, names
    for name in names:
        yield "station", name, always, [name]
    for season, months in seasons.items():
        yield "season", season, index.month.isin(list(months)), names
    for period, (start, end) in (periods or {}).items():
        last = pd.Timestamp(end) + pd.Timedelta(days=1)
        yield "period", period, (index >= pd.Timestamp(start)) & (index < last), names
    known = {str(station): label for station, label in (strata or {}).items()}
    for label in dict.fromkeys(known.values()):
        yield "stratum", label, always, [name for name in names if known.get(name) == label]


def group_rows(
    x: pd.DataFrame, y: pd.DataFrame, options: ScorecardOptions, rng: np.random.Generator | None
) -> tuple[pd.DataFrame | None, int]:
    """Return the rows of one group, and how many of its stations have too few pairs."""
    enough = [name for name in x.columns if x[name].notna().sum() >= max(options.least, 8)]
    told = [
        agreement(
            x[name],
            y[name],
            times=x.index,
            level=options.level,
            interval=options.interval,
            rng=rng,
            units=options.units,
        )
        for name in enough
    ]
    short = x.shape[1] - len(enough)
    if not told:
        return None, short
    if len(told) == 1:
        return told[0].assign(stations=1), short
    return _over_stations(told, options.level), short


def _over_stations(told: list[pd.DataFrame], level: float) -> pd.DataFrame:
    from scipy.special import stdtrit

    # Correlations are averaged on Fisher's scale, where their spread does not depend on them.
    fisher = told[0]["measure"].isin(["pearson", "spearman", "kendall"]).to_numpy()
    every = np.array([table["value"].to_numpy() for table in told])
    inner = np.where(fisher, every.clip(-1.0 + _TINY, 1.0 - _TINY), 0.0)
    every = np.where(fisher, np.arctanh(inner), every)
    count = np.isfinite(every).sum(axis=0)
    mean = np.nansum(every, axis=0) / np.where(count > 0, count, np.nan)
    spread = np.sqrt(
        np.nansum((every - mean) ** 2, axis=0) / np.where(count > 1, count - 1, np.nan)
    )
    half = stdtrit(np.maximum(count - 1, 1), 0.5 + level / 2) * spread / np.sqrt(count)
    value, low, high = (
        np.where(fisher, np.tanh(bound), bound) for bound in (mean, mean - half, mean + half)
    )
    kinds = [MEASURES[name] for name in told[0]["measure"]]
    from_zero = np.array([kind.best == 0.0 and kind.name != "bias" for kind in kinds])
    to_one = np.array([kind.best == 1.0 for kind in kinds])
    return told[0].assign(
        value=value,
        low=np.where(from_zero, np.maximum(low, 0.0), low),
        high=np.where(to_one, np.minimum(high, 1.0), high),
        n=sum(table["n"] for table in told),
        n_effective=np.nan,
        stations=count,
    )


def beyond_series(
    product: pd.DataFrame,
    reference: pd.DataFrame,
    coarse: pd.DataFrame | None,
    cells: Mapping[str, int] | None,
    rng: np.random.Generator | None,
    options: ScorecardOptions,
) -> list[pd.DataFrame]:
    """Compute measures that need more than one station, or the coarse product."""
    rows: list[dict[str, Any]] = []
    x, y = product.to_numpy(), reference.to_numpy()
    daily = spatial_correlation(x, y)
    if daily["r"].notna().sum() >= 8:
        rows.append(
            {
                "measure": "spatial_r",
                "value": daily["r"].mean(),
                "n": int(daily["n"].sum()),
                **_mean_interval(daily["r"].to_numpy(), options.level),
            }
        )
    if cells is not None:
        labels = [int(cells.get(name, -1)) for name in product.columns]
        found = within_cell_correlation(x, y, labels, rng=rng, level=options.level)
        rows.append(
            {"measure": "within_cell_r", **{k: found[k] for k in ("value", "low", "high", "n")}}
        )
    whole = [
        pd.DataFrame([row]).assign(grouping="all", group="all", stations=product.shape[1])
        for row in rows
    ]
    gains = [] if coarse is None else _gains(product, coarse, reference, rng, options)
    blank = {"series": "raw", "unit": "1"}
    return [table.assign(**blank).reindex(columns=COLUMNS) for table in (*whole, *gains)]


def _mean_interval(daily: Any, level: float) -> dict[str, float]:
    from scipy.special import stdtrit

    size = fit_persistence(daily).size_of_mean()
    half = float(stdtrit(size - 1, 0.5 + level / 2) * np.nanstd(daily) / np.sqrt(size - 1))
    mean = float(np.nanmean(daily))
    return {"low": mean - half, "high": mean + half, "n_effective": size}


def _gains(
    product: pd.DataFrame,
    coarse: pd.DataFrame,
    reference: pd.DataFrame,
    rng: np.random.Generator | None,
    options: ScorecardOptions,
) -> list[pd.DataFrame]:
    parts = []
    for name in product.columns:
        valid = product[name].notna() & coarse[name].notna()
        if valid.sum() < max(options.least, 8):
            continue
        found = downscaling_gain(
            product[name], coarse[name], reference[name], rng=rng, level=options.level
        )
        names = {"all": "g_down", **{p: f"g_{p}" for p in ("slope", "correlation", "bias")}}
        own = found.rename(columns={"gain": "value"}).assign(measure=found["part"].map(names))
        parts.append(own.assign(grouping="station", group=name, stations=1))
    return parts
