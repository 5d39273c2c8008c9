"""The scorecard of a product against stations: every measure by station, season and stratum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, nearest
from headwater.figures import drawing_on
from headwater.inference.effective import fit_persistence
from headwater.results import TableResult, of_inputs
from headwater.validation.agreement_intervals import agreement
from headwater.validation.anomalies import long_term_anomalies, short_term_anomalies
from headwater.validation.gain import (
    downscaling_gain,
    spatial_correlation,
    within_cell_correlation,
)
from headwater.validation.measures import MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from headwater.figures import Outline

__all__ = ["SERIES", "Scorecard", "ScorecardOptions", "StationMeasures", "scorecard"]


_DRAWINGS = ("summary", "scatter", "taylor", "target", "forest", "series", "boxes")
_REFERENCES = (
    "Gruber, A. et al. (2020). Validation practices for satellite soil moisture retrievals: what "
    "are (the) errors? Remote Sensing of Environment 244, 111806. doi:10.1016/j.rse.2020.111806 "
    "(recalled, unchecked)",
    "Montzka, C. et al. (2021). Soil Moisture Product Validation Good Practices Protocol, CEOS "
    "LPV. doi:10.5067/doc/ceoswgcv/lpv/sm.001",
)


_TINY = 1e-12
_SEASONS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}

SERIES = ("raw", "short-term anomaly", "long-term anomaly")
"""What is compared: values, departures from 35 days around, departures from the mean year."""

_COLUMNS = [
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
    min_pairs : int
        Fewest pairs for a station to count in a group.
    series : tuple of str
        Out of :data:`SERIES`.
    seasons : mapping of str to months
        Season by name; empty for none.
    units : str
        Unit of both products.
    anomalies : {"full", "pairs"}
        Whether anomalies are taken from each full series, as pytesmo does, and then paired, or from
        the times that both have.
    """

    level: float = 0.95
    interval: str = "effective"
    min_pairs: int = 30
    series: tuple[str, ...] = SERIES[:2]
    seasons: Mapping[str, Sequence[int]] = field(default_factory=lambda: dict(_SEASONS))
    units: str = "m3 m-3"
    anomalies: str = "full"


@dataclass(frozen=True, slots=True, eq=False)
class Scorecard(TableResult):
    """How well a product agrees with a reference, in every group.

    Columns: grouping (all, station, season, period, stratum), group, series, measure, value, low,
    high, n, n_effective, stations, unit.

    Attributes
    ----------
    pairs : DataFrame
        What was compared: time, station, product, reference.
    strata : Series of str, optional
        Stratum by station.
    """

    pairs: Any = None
    strata: Any = None

    def of(self, grouping: str, series: str = "raw") -> pd.DataFrame:
        """Lay out one grouping with a row for each group and a column for each measure.

        Parameters
        ----------
        grouping : str
            all, station, season, period or stratum.
        series : str
            One of :data:`SERIES`.
        """
        own = self.data[(self.data["grouping"] == grouping) & (self.data["series"] == series)]
        return own.pivot_table("value", "group", "measure", sort=False, observed=True)

    def plot(self, ax: Axes | None = None, *, kind: str = "summary") -> Figure:
        """Draw the scorecard.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; default: a figure of its own.
        kind : {"summary", "scatter", "taylor", "target", "forest", "series", "boxes"}
            The four diagrams together, or one of them; ``series`` draws product and reference over
            time, ``boxes`` the spread over stations in each stratum.

        Raises
        ------
        DataError
            If the kind is unknown.
        """
        from headwater.validation import plots as validation_plots
        from headwater.validation.station_plots import draw_boxes

        if kind not in _DRAWINGS:
            raise DataError("unknown figure", found=repr(kind), do=nearest(kind, _DRAWINGS))
        with drawing_on(ax):
            if kind == "boxes":
                return draw_boxes(self.data, strata=self.strata)
            if kind == "forest":
                return validation_plots.draw_forest(self.data)
            draw: Callable[..., Figure] = getattr(validation_plots, f"draw_{kind}")
            if kind in ("summary", "taylor", "target"):
                return draw(self.pairs, self.data)
            return draw(self.pairs, units=self.data.attrs["series_unit"])

    def _repr_html_(self) -> str:
        whole = self.data[self.data["grouping"] == "all"]
        short = Scorecard(
            whole.drop(columns=["grouping", "group"]),
            self.method,
            self.references,
            self.fingerprint,
            self.choices,
            self.cautions,
        )
        return TableResult._repr_html_(short)


@dataclass(frozen=True, slots=True, eq=False)
class StationMeasures(TableResult):
    """Measures of each station in one row, with ``longitude`` and ``latitude`` [degrees].

    Columns: station, longitude, latitude, stratum, n, and each measure with ``_low`` and ``_high``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw correlation and unbiased RMSD where each station stands."""
        from headwater.validation.station_plots import draw_stations

        with drawing_on(ax):
            return draw_stations(self.data, outline=outline)


@of_inputs
def scorecard(
    product: pd.DataFrame,
    reference: pd.DataFrame,
    *,
    coarse: pd.DataFrame | None = None,
    cells: Mapping[str, int] | None = None,
    strata: Mapping[str, str] | None = None,
    periods: Mapping[str, tuple[Any, Any]] | None = None,
    rng: np.random.Generator | None = None,
    options: ScorecardOptions | None = None,
) -> Scorecard:
    """Compare a product with stations.

    Parameters
    ----------
    product, reference : DataFrame, shape (time, station)
        On the same times and stations (:func:`headwater.validation.matching.match_times`,
        :func:`headwater.validation.station_series`); NaN where missing.
    coarse : DataFrame, shape (time, station), optional
        What the product was downscaled from, for G_DOWN.
    cells : mapping of station to int, optional
        The coarse cell of each station, for the correlation within cells.
    strata : mapping of station to str, optional
        Groups of stations, by land cover or altitude, say.
    periods : mapping of str to (start, end), optional
        Groups of times, both ends included.
    rng : numpy Generator, optional
        For the intervals that need a bootstrap; without it they are NaN.
    options : ScorecardOptions, optional
        By default :class:`ScorecardOptions`.

    Returns
    -------
    Scorecard
        A station's interval is honest about autocorrelation in time. Over stations, a value is the
        mean of theirs with Student's interval from their spread.

    Raises
    ------
    DataError
        If the frames differ in times or stations, or no station has enough pairs.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> days = pd.date_range("2020-01-01", periods=200)
    >>> truth = pd.DataFrame(rng.normal(0.25, 0.05, (200, 3)), days, list("ABC"))
    >>> card = scorecard(truth + 0.01, truth)
    >>> card.of("station")["bias"].round(3).tolist()
    [0.01, 0.01, 0.01]
    """
    chosen = options or ScorecardOptions()
    whole, known = _checked(product, reference, chosen)
    rough = None if coarse is None else _checked(coarse, reference, chosen)[0]
    both = whole.notna() & known.notna()
    product, reference = whole.where(both), known.where(both)
    rows: list[pd.DataFrame] = []
    left_out = 0
    for series in chosen.series:
        x, y = _paired_series(whole, known, series, chosen.anomalies)
        for grouping, group, inside, stations in _groups_of(
            product, strata, periods, chosen.seasons
        ):
            found, short = _group_rows(
                x.loc[inside, stations], y.loc[inside, stations], chosen, rng
            )
            left_out += short
            if found is not None:
                rows.append(found.assign(grouping=grouping, group=group, series=series))
    if not rows:
        raise DataError(
            "no station has enough pairs",
            found=f"fewer than {chosen.min_pairs} at each of {product.shape[1]} stations",
            do="Match with a wider window, or lower `min_pairs`",
        )
    rows += _beyond_series(product, reference, rough, cells, rng, chosen)
    table = pd.concat(rows, ignore_index=True)[_COLUMNS]
    table.attrs.update(series_unit=chosen.units, level=chosen.level)
    return Scorecard(
        table,
        _method(chosen),
        _REFERENCES,
        choices=_choices(chosen),
        cautions=_cautions(left_out, chosen, product),
        pairs=_long(whole, known),
        strata=None
        if strata is None
        else pd.Series({str(k): v for k, v in strata.items()}, dtype=object),
    )


def _checked(
    product: pd.DataFrame, reference: pd.DataFrame, options: ScorecardOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if options.anomalies not in ("full", "pairs"):
        do = nearest(options.anomalies, ("full", "pairs"))
        raise DataError("unknown series for anomalies", found=repr(options.anomalies), do=do)
    unknown = [name for name in options.series if name not in SERIES]
    if unknown:
        raise DataError("unknown series", found=repr(unknown[0]), do=nearest(unknown[0], SERIES))
    same = product.index.equals(reference.index)
    if not same or set(product.columns) != set(reference.columns):
        raise DataError(
            "product and reference differ in times or stations",
            found=f"shapes {product.shape} and {reference.shape}"
            + ("" if same else ", and other times"),
            do="Match them with match_times and station_series first",
        )
    if not isinstance(product.index, pd.DatetimeIndex):
        raise DataError(
            "a scorecard needs dates", found=type(product.index).__name__, do="Give a DatetimeIndex"
        )
    x, y = product.astype(float), reference[list(product.columns)].astype(float)
    names = x.columns.map(str)
    return x.set_axis(names, axis=1), y.set_axis(names, axis=1)


def _long(product: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Lay out the pairs in rows: time, station, product, reference."""
    stacked = [
        pd.DataFrame(
            {
                "time": product.index,
                "station": name,
                "product": product[name].to_numpy(),
                "reference": reference[name].to_numpy(),
            }
        )
        for name in product.columns
    ]
    return pd.concat(stacked, ignore_index=True)


def _method(options: ScorecardOptions) -> str:
    ways = {
        "effective": "effective sizes of the series at their valid times",
        "bootstrap": "a circular block bootstrap",
        "independent": "the assumption that all values are independent",
    }
    return (
        f"Comparison with stations by {len(MEASURES)} measures; {options.level:.0%} intervals of a "
        f"station from {ways[options.interval]}, over stations from their spread."
    )


def _choices(options: ScorecardOptions) -> tuple[str, ...]:
    return (
        f"Series: {', '.join(options.series)}.",
        "Anomalies are taken from "
        + ("each full series." if options.anomalies == "full" else "the matched pairs."),
        f"A station counts in a group with at least {options.min_pairs} pairs.",
    )


def _cautions(left_out: int, options: ScorecardOptions, frame: pd.DataFrame) -> tuple[str, ...]:
    reported = []
    if left_out:
        reported.append(f"Left out {left_out} times: a station in a group with too few pairs.")
    if frame.shape[1] > 1:
        reported.append(
            "Stations near each other err together: an interval over stations may be narrow."
        )
    years = (frame.index.max() - frame.index.min()).days / 365.25
    if SERIES[2] in options.series and years < 3:
        reported.append(
            f"A mean year of {years:.1f} years holds their events; anomalies from it are too small."
        )
    if options.interval == "independent":
        reported.append("Intervals assume independent values; those of soil moisture are not.")
    return tuple(reported)


def _paired_series(
    product: pd.DataFrame, reference: pd.DataFrame, series: str, anomalies: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the series of both where both are, anomalies from all of each or from these alone."""
    frames = [product, reference]
    if anomalies == "full":
        frames = [_series_of(one, series) for one in frames]
    both = frames[0].notna() & frames[1].notna()
    frames = [one.where(both) for one in frames]
    if anomalies != "full":
        frames = [_series_of(one, series) for one in frames]
    return frames[0], frames[1]


def _series_of(values: pd.DataFrame, series: str) -> pd.DataFrame:
    """Turn values into the series of this name, anomalies or the values themselves."""
    if series == "raw":
        return values
    subtract = short_term_anomalies if series == SERIES[1] else long_term_anomalies
    return pd.DataFrame(
        subtract(values.index, values.to_numpy()), index=values.index, columns=values.columns
    )


def _groups_of(
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


def _group_rows(
    x: pd.DataFrame, y: pd.DataFrame, options: ScorecardOptions, rng: np.random.Generator | None
) -> tuple[pd.DataFrame | None, int]:
    """Return the rows of one group, and how many of its stations have too few pairs."""
    enough = [name for name in x.columns if x[name].notna().sum() >= max(options.min_pairs, 8)]
    reported = [
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
    if not reported:
        return None, short
    if len(reported) == 1:
        return reported[0].assign(stations=1), short
    return _over_stations(reported, options.level), short


def _over_stations(reported: list[pd.DataFrame], level: float) -> pd.DataFrame:
    from scipy.special import stdtrit

    # Correlations are averaged on Fisher's scale, where their spread does not depend on them.
    fisher = reported[0]["measure"].isin(["pearson", "spearman", "kendall"]).to_numpy()
    every = np.array([table["value"].to_numpy() for table in reported])
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
    kinds = [MEASURES[name] for name in reported[0]["measure"]]
    from_zero = np.array([kind.best == 0.0 and kind.name != "bias" for kind in kinds])
    to_one = np.array([kind.best == 1.0 for kind in kinds])
    return reported[0].assign(
        value=value,
        low=np.where(from_zero, np.maximum(low, 0.0), low),
        high=np.where(to_one, np.minimum(high, 1.0), high),
        n=sum(table["n"] for table in reported),
        n_effective=np.nan,
        stations=count,
    )


def _beyond_series(
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
    return [table.assign(**blank).reindex(columns=_COLUMNS) for table in (*whole, *gains)]


def _mean_interval(daily: NDArray[Any], level: float) -> dict[str, float]:
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
        if valid.sum() < max(options.min_pairs, 8):
            continue
        found = downscaling_gain(
            product[name], coarse[name], reference[name], rng=rng, level=options.level
        )
        names = {"all": "g_down", **{p: f"g_{p}" for p in ("slope", "correlation", "bias")}}
        own = found.rename(columns={"gain": "value"}).assign(measure=found["part"].map(names))
        parts.append(own.assign(grouping="station", group=name, stations=1))
    return parts
