"""Tables of a validation: stations with their measures, pairs of products, collocations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.results import Result, TableResult, fingerprint
from headwater.validation.scorecards import StationMeasures

if TYPE_CHECKING:
    import xarray as xr

    from headwater.validation.scorecards import Scorecard

__all__ = ["collocation_results", "interval_table", "station_table", "to_qa4sm"]

_QA4SM = {
    "bias": "BIAS",
    "rmsd": "RMSD",
    "ubrmsd": "urmsd",
    "pearson": "R",
    "spearman": "rho",
    "kendall": "tau",
    "msd": "mse",
    "mse_bias": "mse_bias",
    "mse_var": "mse_var",
    "mse_corr": "mse_corr",
}
"""Names of the measures in files of QA4SM (recalled, unchecked)."""


def station_table(
    card: Scorecard, places: pd.DataFrame, strata: Mapping[str, str] | None = None
) -> StationMeasures:
    """Lay out the raw measures of each station in one row, with its place.

    Parameters
    ----------
    card : Scorecard
        From which the measures come.
    places : DataFrame
        ``station``, ``longitude``, ``latitude`` [degrees].
    strata : mapping of station to str, optional
        Stratum of each.

    Returns
    -------
    StationMeasures
    """
    own = card.data[(card.data["grouping"] == "station") & (card.data["series"] == "raw")]
    wide = own.pivot_table(["value", "low", "high"], "group", "measure", sort=False, observed=True)
    table = places.set_index("station").copy()
    table["stratum"] = pd.Series(dict(strata or {}), dtype=object).reindex(table.index)
    table["n"] = own.groupby("group")["n"].max().reindex(table.index)
    units = dict(zip(own["measure"], own["unit"], strict=True))
    columns = {}
    for measure in dict.fromkeys(own["measure"]):
        for part, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            if (part, measure) in wide:
                columns[f"{measure}{suffix}"] = wide[part, measure].reindex(table.index)
    table = pd.concat([table, pd.DataFrame(columns)], axis=1).rename_axis("station").reset_index()
    table.attrs["units"] = {
        name: units.get(name.removesuffix("_low").removesuffix("_high"), "1") for name in columns
    } | {"longitude": "degrees_east", "latitude": "degrees_north"}
    return StationMeasures(
        table,
        "Measures of each station with their intervals.",
        card.references,
        card.fingerprint,
        card.choices,
    )


def to_qa4sm(stations: StationMeasures, *, product: str, reference: str) -> xr.Dataset:
    """Name the measures of stations as result files of QA4SM do.

    Parameters
    ----------
    stations : StationMeasures
        From :func:`station_table`.
    product, reference : str
        Names of the two.

    Returns
    -------
    Dataset (loc,)
        ``lon``, ``lat``, ``n_obs``, and for each measure ``R_between_0-reference_and_1-product``
        and the like, with ``_ci_lower`` and ``_ci_upper`` intervals.
    """
    import xarray as xr

    table = stations.data
    pair = f"between_0-{reference}_and_1-{product}"
    units = table.attrs.get("units", {})
    layers: dict[str, Any] = {
        "lon": ("loc", table["longitude"].to_numpy(float), {"units": "degrees_east"}),
        "lat": ("loc", table["latitude"].to_numpy(float), {"units": "degrees_north"}),
        "station": ("loc", table["station"].astype(str).to_numpy(dtype="U")),
        "n_obs": ("loc", table["n"].to_numpy(float), {"units": "1"}),
    }
    for measure, name in _QA4SM.items():
        for suffix, ending in (("", ""), ("_low", "_ci_lower"), ("_high", "_ci_upper")):
            column = f"{measure}{suffix}"
            if column in table:
                attrs = {"units": units.get(column, "1")}
                layers[f"{name}{ending}_{pair}"] = ("loc", table[column].to_numpy(float), attrs)
    comment = "Names of variables as in QA4SM; intervals know of autocorrelation."
    return xr.Dataset(layers, attrs={"Conventions": "CF-1.11", "comment": comment})


def interval_table(
    low: pd.DataFrame, high: pd.DataFrame, reference: pd.DataFrame, *, nominal: float
) -> TableResult:
    """Count how often the product's own intervals hold what stations measured.

    Parameters
    ----------
    low, high, reference : DataFrame, shape (time, station)
        [m3 m-3]
    nominal : float
        What the intervals promise [1].

    Returns
    -------
    TableResult
        ``station`` (``all`` first), ``picp`` with its interval, ``width``, ``score``, ``n``.
    """
    from headwater.validation.measures import interval_skill

    rows = []
    for name in (None, *reference.columns):
        chosen = list(reference.columns) if name is None else [name]
        parts = [frame[chosen].to_numpy(dtype=float) for frame in (low, high, reference)]
        try:
            skill = interval_skill(*parts, nominal=nominal)
        except DataError:
            continue
        rows.append({"station": "all" if name is None else name, **skill})
    table = pd.DataFrame(rows)
    table.attrs["units"] = {"width": "m3 m-3", "score": "m3 m-3"}
    return TableResult(
        table,
        f"Intervals that promise {nominal:.0%} were compared with stations (PICP, width, interval "
        "score).",
        fingerprint=fingerprint(low, high, reference, nominal),
        cautions=(
            "A station is a point: that it leaves the interval of a pixel is partly its own.",
        ),
    )


def collocation_results(
    product: pd.DataFrame,
    reference: pd.DataFrame,
    others: Mapping[str, pd.DataFrame],
    *,
    correlated: Sequence[tuple[str, str]] = (),
    rng: np.random.Generator,
) -> dict[str, Result]:
    """Compare each two and collocate each three of product, other products and stations.

    Parameters
    ----------
    product, reference : DataFrame, shape (time, station)
        [m3 m-3]
    others : mapping of str to DataFrame
        Other products at the same stations.
    correlated : sequence of pairs of str
        Products that may err together.
    rng : numpy Generator
        For bootstraps.

    Returns
    -------
    dict of Result
        ``pairwise`` and, of three or more, ``collocation``; with `correlated`
        ``extended-collocation``.

    Raises
    ------
    DataError
        If no station lies on all products.
    """
    from headwater.validation.agreement_intervals import pairwise_agreement
    from headwater.validation.collocation import triple_collocations

    parts: dict[str, list[pd.DataFrame]] = {"pairwise": [], "collocation": []}
    if correlated:
        parts["extended-collocation"] = []
    left: list[str] = []
    for station in product.columns:
        series = {"product": product[station]}
        series |= {name: frame[station] for name, frame in others.items() if station in frame}
        frame = pd.DataFrame({**series, "station": reference[station]})
        if len(series) < 1 + len(others):
            left.append(f"{station}: not on all products")
            continue
        tables: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {"pairwise": pairwise_agreement}
        tables["collocation"] = partial(triple_collocations, reference="station", rng=rng)
        if correlated:
            tables["extended-collocation"] = partial(_extended, correlated=correlated, rng=rng)
        for name, make in tables.items():
            try:
                parts[name].append(make(frame).assign(station=station))
            except DataError as error:
                left.append(f"{station}, {name}: {error}")
    if not parts["collocation"]:
        raise DataError(
            "no station lies on three products",
            found=f"{len(others)} other products; {'; '.join(left[:3])}",
            do="Give products that cover the stations, and share days with them",
        )
    key = fingerprint(product, reference, *others.values())
    return {
        name: TableResult(
            _station_first(tables),
            _METHODS[name],
            fingerprint=key,
            cautions=(*_CAUTIONS[name], *(f"Left out: {text}" for text in left[:10])),
        )
        for name, tables in parts.items()
        if tables
    }


def _extended(
    frame: pd.DataFrame, *, correlated: Sequence[tuple[str, str]], rng: np.random.Generator
) -> pd.DataFrame:
    from headwater.validation.collocation import extended_collocation

    return extended_collocation(frame, correlated=correlated, rng=rng).data


_METHODS = {
    "pairwise": "Each two of the products and the station were compared at every station.",
    "collocation": "Triple collocation at each station, with a circular block bootstrap.",
    "extended-collocation": "Extended collocation of all products at each station, of which some "
    "may err together.",
}
_INDEPENDENT = (
    "Collocation holds where errors are independent of the truth and, unless said otherwise, of "
    "each other; a station's error holds how a point differs from a cell."
)
_CAUTIONS = {
    "pairwise": (),
    "collocation": (_INDEPENDENT,),
    "extended-collocation": (_INDEPENDENT,),
}


def _station_first(tables: list[pd.DataFrame]) -> pd.DataFrame:
    joined = pd.concat(tables, ignore_index=True)
    joined.attrs = dict(tables[0].attrs)
    return joined[["station", *(name for name in joined if name != "station")]]
