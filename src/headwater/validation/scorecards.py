"""The scorecard of a product against stations: every measure by station, season and stratum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, nearest
from headwater.results import TableResult, fingerprint
from headwater.validation._scorecard_rows import (
    COLUMNS,
    SERIES,
    ScorecardOptions,
    beyond_series,
    group_rows,
    groups_of,
    series_of,
)
from headwater.validation.agreement import MEASURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SERIES", "Scorecard", "ScorecardOptions", "scorecard"]


_DRAWINGS = ("summary", "scatter", "taylor", "target", "forest", "series")
_REFERENCES = (
    "Gruber, A. et al. (2020). Validation practices for satellite soil moisture retrievals: what "
    "are (the) errors? Remote Sensing of Environment 244, 111806. doi:10.1016/j.rse.2020.111806 "
    "(recalled, unchecked)",
    "Montzka, C. et al. (2021). Soil Moisture Product Validation Good Practices Protocol, CEOS "
    "LPV. doi:10.5067/doc/ceoswgcv/lpv/sm.001",
)


@dataclass(frozen=True, slots=True, eq=False)
class Scorecard(TableResult):
    """How well a product agrees with a reference, in every group.

    Columns: grouping (all, station, season, period, stratum), group, series, measure, value, low,
    high, n, n_effective, stations, unit.

    Attributes
    ----------
    pairs : DataFrame
        What was compared: time, station, product, reference.
    """

    pairs: Any = None

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

    def plot(self, kind: str = "summary") -> Figure:
        """Draw the scorecard.

        Parameters
        ----------
        kind : {"summary", "scatter", "taylor", "target", "forest", "series"}
            The four diagrams together, or one of them; ``series`` draws product and reference over
            time.

        Raises
        ------
        DataError
            If the kind is unknown.
        """
        from headwater.validation import plots as validation_plots

        if kind not in _DRAWINGS:
            raise DataError("unknown figure", found=repr(kind), do=nearest(kind, _DRAWINGS))
        if kind in ("summary", "taylor", "target"):
            draw = getattr(validation_plots, f"draw_{kind}")
            return draw(self.pairs, self.data)  # type: ignore[no-any-return]
        if kind == "forest":
            return validation_plots.draw_forest(self.data)
        draw = getattr(validation_plots, f"draw_{kind}")
        return draw(self.pairs, units=self.data.attrs["series_unit"])  # type: ignore[no-any-return]

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
        On the same times and stations (:func:`headwater.downscaling.match_times`,
        :func:`headwater.downscaling.station_series`); NaN where missing.
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
        x, y = series_of(product, series), series_of(reference, series)
        for grouping, group, inside, stations in groups_of(
            product, strata, periods, chosen.seasons
        ):
            found, short = group_rows(x.loc[inside, stations], y.loc[inside, stations], chosen, rng)
            left_out += short
            if found is not None:
                rows.append(found.assign(grouping=grouping, group=group, series=series))
    if not rows:
        raise DataError(
            "no station has enough pairs",
            found=f"fewer than {chosen.least} at each of {product.shape[1]} stations",
            do="Match with a wider window, or lower `least`",
        )
    rows += beyond_series(product, reference, rough, cells, rng, chosen)
    table = pd.concat(rows, ignore_index=True)[COLUMNS]
    table.attrs.update(series_unit=chosen.units, level=chosen.level)
    return Scorecard(
        table,
        _method(chosen),
        _REFERENCES,
        fingerprint(product, reference, repr(chosen)),
        _choices(chosen),
        _cautions(left_out, chosen, product),
        _long(whole, known),
    )


def _checked(
    product: pd.DataFrame, reference: pd.DataFrame, options: ScorecardOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
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
        f"A station counts in a group with at least {options.least} pairs.",
    )


def _cautions(left_out: int, options: ScorecardOptions, frame: pd.DataFrame) -> tuple[str, ...]:
    told = []
    if left_out:
        told.append(f"Left out {left_out} times: a station in a group with too few pairs.")
    if frame.shape[1] > 1:
        told.append(
            "Stations near each other err together: an interval over stations may be narrow."
        )
    years = (frame.index.max() - frame.index.min()).days / 365.25
    if SERIES[2] in options.series and years < 3:
        told.append(
            f"A mean year of {years:.1f} years holds their events; anomalies from it are too small."
        )
    if options.interval == "independent":
        told.append("Intervals assume independent values; those of soil moisture are not.")
    return tuple(told)
