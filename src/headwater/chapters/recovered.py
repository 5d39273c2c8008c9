"""The chapter that ends a report on made-up data: what the methods recovered of the truth."""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import InputError
from headwater.figures import CATEGORY, MUTED, house_style, new_figure
from headwater.report.section import FigureBlock, Section, TableBlock, TextBlock

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from headwater.results import Result

    Found = Mapping[str, Mapping[str, Result]]
    Row = dict[str, Any]
    Floats = NDArray[np.float64]

__all__ = ["make_recovered"]

_LOST, _ALARM = 0.2, ("warning", "confirmed")
"""Share of cover from which on a loss should be found, and the states that report one."""
_MONTHS = {6: "June", 8: "August", 9: "September"}


_TARGET = "soil_moisture"
_LEVEL = 0.95
_UNCLEAR = 0.05
"""p of a lead above which the first two factors of a period may be the other way round."""


def make_recovered(found: Found, truth: Path, growing_season: tuple[int, int] = (5, 10)) -> Section:
    """Compare results with the truth of a virtual headwater.

    Parameters
    ----------
    found : mapping of mapping of Result
        Results by step and name.
    truth : Path
        Folder with ``truth.nc`` and ``truth_fractions.csv``, as the demo writes them.
    growing_season : tuple of int
        First and last month, as the study has them.

    Returns
    -------
    Section
        With a table of truth, result and interval, and how often intervals hold the truth.

    Raises
    ------
    InputError
        If the folder has no ``truth.nc``.
    """
    file = truth / "truth.nc"
    if not file.is_file():
        raise InputError(
            "there is no truth to compare with",
            found=str(file),
            do="Correct truth in [report], or remove it: real data have none",
        )
    with xr.open_dataset(file, engine="h5netcdf", decode_coords="all") as data:
        rows = [*_of_water(found, data), *_of_cycle(found, data)]
        rows += _of_pattern(found, _season_mean(data, growing_season))
        rows += _of_order(found, data, growing_season)
        rows += [*_of_line(found, data), *_of_alerts(found, data)]
    rows += _of_sources(found, truth / "truth_fractions.csv")
    table = pd.DataFrame(rows)
    table.attrs["mixed"] = True
    if table.empty:
        return Section(
            "recovered", "What was recovered", blocks=(TextBlock("Nothing to compare."),)
        )
    inside = (table["low"] <= table["truth"]) & (table["truth"] <= table["high"])
    table["within"] = np.where(table["low"].notna(), np.where(inside, "yes", "no"), "no interval")
    return Section(
        name="recovered",
        title="What was recovered",
        headline=tuple(_headline(table)),
        blocks=tuple(_blocks(table)),
    )


def _headline(table: pd.DataFrame) -> Iterator[str]:
    """Say of single numbers which are within, and of each other quantity how far it is off."""
    single = table.groupby("quantity")["quantity"].transform("size") == 1
    for within, words in (("yes", "Within"), ("no", "Not within")):
        names = table.loc[single & (table["within"] == within), "quantity"]
        if len(names):
            yield f"{words} their 95 % intervals: {', '.join(names)}."
    for quantity, own in table[~single | (table["within"] == "no interval")].groupby(
        "quantity", sort=False
    ):
        sure = own[own["within"] != "no interval"]
        error = own["found"] - own["truth"]
        held = f", {(sure['within'] == 'yes').sum()} of {len(sure)} intervals hold the truth"
        if len(own) > 1:
            size = f"mean absolute error {float(error.abs().mean()):.2g}"
        else:
            size = f"error {float(error.iloc[0]):.2g}"
        yield f"{quantity}: {size} (n = {len(own)}){held if len(sure) else ''}."


def _blocks(table: pd.DataFrame) -> Iterator[FigureBlock | TableBlock | TextBlock]:
    yield TextBlock(
        "Means, cycle and CV are those of the years that were seen; their intervals take these "
        "years as a sample of all, and so are wider than errors of measurement need. Of r the "
        "interval counts independent cells, of q it moves blocks of cells. The carrying capacity "
        "is not compared: plants of this headwater do not draw on its water, so that no cover is "
        "too dense for it."
    )
    shares = table[table["quantity"] == "Fraction of a source"]
    if len(shares):
        yield TextBlock(_of_edges(shares))
        yield FigureBlock(
            "recovered-fractions",
            partial(_draw, shares),
            f"Fractions found, with their 95 % intervals, against the true ones; n = {len(shares)} "
            "sources of groups and months. On the dashed line they agree.",
            "Found against true fractions of the sources.",
            wide=False,
        )
    yield TableBlock(
        "recovered",
        table,
        "Truth of the virtual headwater, what was found, and its 95 % interval.",
    )


def _of_edges(shares: pd.DataFrame) -> str:
    """Say how many intervals of fractions can hold the truth, and how many do."""
    edge = shares["truth"].isin([0.0, 1.0])
    held = shares["within"] == "yes"
    return (
        f"{edge.sum()} of the {len(shares)} fractions are truly 0 or 1. A posterior has no weight "
        f"on these ends, and its interval leaves them out: {held[edge].sum()} are held. Of the "
        f"{(~edge).sum()} others {held[~edge].sum()} are within their 95 % intervals, where "
        f"{_LEVEL * (~edge).sum():.0f} are expected; fractions of a group are tied, for they add "
        "up to one. A study that knows a source to be absent says so, and its fraction is 0."
    )


def _area_mean(data: xr.Dataset) -> xr.DataArray:
    from headwater.grids import cell_area

    cube = data[_TARGET]
    return cube.weighted(cell_area(cube).where(np.isfinite(cube[0]), 0.0)).mean(("y", "x"))


def _of_water(found: Found, data: xr.Dataset) -> Iterator[Row]:
    """Compare trend, level and variation of the mean of the area."""
    variation = found.get("variation", {})
    if "summary" not in variation or _TARGET not in data:
        return
    mean = _area_mean(data)
    yearly, monthly = (mean.groupby(f"time.{step}").mean() for step in ("year", "month"))
    years = yearly.values.astype(float)
    pairs = [
        (years[j] - years[i]) / (j - i) for i in range(years.size) for j in range(i + 1, years.size)
    ]
    truths = {
        ("mean", "year"): ("Mean soil moisture", float(years.mean())),
        ("trend (Sen, Mann-Kendall)", "year"): ("Trend of soil moisture", float(np.median(pairs))),
        ("interannual CV", "year"): (
            "Interannual CV of soil moisture",
            float(years.std(ddof=1) / years.mean()),
        ),
        ("monthly CV", "mean year"): (
            "Monthly CV of soil moisture",
            float(monthly.std(ddof=1) / monthly.mean()),
        ),
    }
    limits = _limits_of_years(variation)
    table: pd.DataFrame = variation["summary"].data
    for row in table[table["variable"] == _TARGET].to_dict("records"):
        statistic = (row["statistic"], row["period"])
        if statistic in truths:
            own = limits.get(statistic, (row["low"], row["high"]))
            yield _row(truths[statistic][0], "area mean", truths[statistic][1], row["value"], *own)


def _limits_of_years(variation: Mapping[str, Result]) -> dict[tuple[str, str], tuple[float, float]]:
    """Give 95 % limits of mean and CV, from the years as a sample."""
    from scipy.special import chdtri

    missing = (np.nan, np.nan)
    limits = {("mean", "year"): missing, ("interannual CV", "year"): missing}
    limits[("monthly CV", "mean year")] = missing
    if {f"{_TARGET}-years", f"{_TARGET}-months"} <= set(variation):
        table: pd.DataFrame = variation[f"{_TARGET}-years"].data
        years = table.loc[table["period"] == "year", "mean"].dropna().to_numpy(dtype=float)
        free = years.size - 1
        if free > 1:
            limits[("mean", "year")] = _t_limits(float(years.mean()), years.std(ddof=1), years.size)
            # of a CV of few percent the error of the mean is nothing next to that of the spread
            ends = np.sqrt(free / chdtri(free, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]))
            cv = float(years.std(ddof=1) / years.mean())
            limits[("interannual CV", "year")] = (cv * ends[0], cv * ends[1])
            limits[("monthly CV", "mean year")] = _jackknife(_by_year(variation))
    return limits


def _by_year(variation: Mapping[str, Result]) -> Floats:
    """Arrange the monthly means of the area in rows of years; only whole years."""
    table: pd.DataFrame = variation[f"{_TARGET}-months"].data
    time = pd.DatetimeIndex(table["time"])
    wide = table.assign(year=time.year, month=time.month).pivot_table("mean", "year", "month")
    return wide.dropna().to_numpy(dtype=float)


def _jackknife(months: Floats) -> tuple[float, float]:
    """Leave out each year in turn, for the limits of the CV of the mean year."""
    n = len(months)
    if n < 3:
        return np.nan, np.nan

    def cv(rows: Floats) -> float:
        cycle = rows.mean(axis=0)
        return float(cycle.std(ddof=1) / cycle.mean())

    left = np.array([cv(np.delete(months, i, axis=0)) for i in range(n)])
    return _t_limits(cv(months), (n - 1) * left.std(ddof=1), n)


def _t_limits(value: float, sd: float, n: int) -> tuple[float, float]:
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, (1 + _LEVEL) / 2)) * sd / np.sqrt(n)
    return value - half, value + half


def _of_cycle(found: Found, data: xr.Dataset) -> Iterator[Row]:
    """Compare the months of the mean year."""
    variation = found.get("variation", {})
    if f"{_TARGET}-months" not in variation or _TARGET not in data:
        return
    truth = _area_mean(data).groupby("time.month").mean()
    months = _by_year(variation)
    for k in range(months.shape[1] if len(months) > 1 else 0):
        own = months[:, k]
        limits = _t_limits(float(own.mean()), own.std(ddof=1), len(own))
        of = calendar.month_name[k + 1]
        yield _row("Seasonal cycle of soil moisture", of, float(truth[k]), own.mean(), *limits)


def _season_mean(
    data: xr.Dataset, season: tuple[int, int], year: int | None = None
) -> xr.DataArray:
    """Average the true soil moisture over the growing season, of one year or of all."""
    if _TARGET not in data:
        return xr.DataArray(np.nan)
    time = data["time"].dt
    first, last = season
    inside = (time.month >= first) & (time.month <= last)
    if first > last:
        inside = (time.month >= first) | (time.month <= last)
    if year is not None:
        inside = inside & (time.year == year)
    return data[_TARGET].isel(time=np.flatnonzero(inside.values)).mean("time")


def _of_pattern(found: Found, truth: xr.DataArray) -> Iterator[Row]:
    """Compare r over cells with each factor, and q of each, with their intervals."""
    if truth.ndim != 2:
        return
    matrix = found.get("correlation", {}).get("matrix")
    table = pd.DataFrame() if matrix is None else matrix.data
    own = table[(table["first"] == _TARGET) & (table["statistic"] == "r")] if len(table) else table
    for row in own.to_dict("records"):
        factor = _factor_map(found, str(row["second"]))
        if factor is not None and row["n_effective"] > 3:
            r = _pearson(truth.values, factor)
            half = 1.96 / np.sqrt(row["n_effective"] - 3)
            limits = np.tanh(np.arctanh(row["value"]) + np.array([-half, half]))
            of = str(row["second"]).replace("_", " ")
            yield _row("r of soil moisture over cells", of, r, row["value"], *limits)
    strata = found.get("detector", {}).get("maps")
    if strata is not None:
        for row in found["detector"]["factor"].data.to_dict("records"):
            q = _q(truth, strata.data, str(row["factor"]))
            limits = (row["q"], row["q_low"], row["q_high"])
            yield _row("q of soil moisture", str(row["factor"]).replace("_", " "), q, *limits)


def _factor_map(found: Found, name: str) -> Floats | None:
    """Find the map of a factor that the correlation over cells was computed from."""
    season = found.get("variation", {}).get(f"{name}-season")
    if season is not None:
        return np.asarray(season.data["mean"].values, dtype=np.float64)
    lasting = found.get("grids", {}).get(name)
    return None if lasting is None else np.asarray(lasting.data[name].values, dtype=np.float64)


def _pearson(one: Floats, other: Floats) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.corrcoef(one[both], other[both])[0, 1])


def _q(truth: xr.DataArray, strata: xr.Dataset, factor: str) -> float:
    """Compute q of the truth with the strata of the report."""
    from headwater.detector.q import q_statistic, stratum_sums

    if f"{factor}_stratum" not in strata:
        return np.nan
    stratum = strata[f"{factor}_stratum"].values
    known = np.isfinite(truth.values) & np.isfinite(stratum) & (stratum >= 0)
    codes = stratum[known].astype(np.int32)
    return float(q_statistic(stratum_sums(truth.values[known], codes, int(codes.max()) + 1)).q)


def _of_order(found: Found, data: xr.Dataset, season: tuple[int, int]) -> Iterator[Row]:
    """Compare, year by year, the order of the factors and where the one stands that truly leads."""
    detector = found.get("detector", {})
    if not {"series", "maps"} <= set(detector) or _TARGET not in data:
        return
    for period, rows in detector["series"].data.groupby("period"):
        if not str(period).isdigit():
            return
        truth = _season_mean(data, season, int(period))
        own = rows.sort_values("rank")
        true = pd.Series(
            [_q(truth, detector["maps"].data, str(factor)) for factor in own["factor"]]
        )
        if true.isna().any():
            continue
        order = true.rank(ascending=False)
        rho = float(order.corr(own["rank"].reset_index(drop=True).astype(float)))
        yield _row("Order of factors by q, rank correlation", str(period), 1.0, rho)
        lead, place = str(own["factor"].iloc[int(true.argmax())]), int(true.argmax()) + 1
        open_lead = place <= 2 and own["p_lead"].iloc[0] > _UNCLEAR
        limits = (1.0, 2.0) if open_lead else (float(place), float(place))
        of = f"{lead.replace('_', ' ')}, {period}"
        yield _row("Rank found of the factor that truly leads", of, 1.0, place, *limits)


def _of_line(found: Found, data: xr.Dataset) -> Iterator[Row]:
    """Compare the local meteoric water line."""
    samples = found.get("samples", {})
    if "meteoric" not in samples or "lmwl" not in data.attrs:
        return
    line = json.loads(data.attrs["lmwl"])
    fitted = samples["meteoric"].data.iloc[0]
    for name in ("slope", "intercept"):
        half = 1.96 * float(fitted[f"{name}_se"])
        value = float(fitted[name])
        label = f"{name.capitalize()} of the meteoric line"
        yield _row(label, "precipitation", line[name], value, value - half, value + half)


def _of_alerts(found: Found, data: xr.Dataset) -> Iterator[Row]:
    """Compare the cells that early warning reports with those that lost cover."""
    warning = found.get("warning", {})
    if "states" not in warning or "cover_loss" not in data:
        return
    states: Any = warning["states"].data
    loss = data["cover_loss"].values
    known = (states["state"].values >= 0) & np.isfinite(loss)
    codes = [states.attrs["states"].index(name) for name in _ALARM]
    alarm = np.isin(states["state"].values, codes) & (states["shown"].values == 1)
    lost, sound = known & (loss >= _LOST), known & (loss <= 0)
    yield _row("Lost cells that are reported", f"loss ≥ {_LOST}", 1.0, alarm[lost].mean())
    yield _row("Sound cells that are reported", "no loss", 0.0, alarm[sound].mean())


def _of_sources(found: Found, file: Path) -> Iterator[Row]:
    """Compare fractions of sources by altitude and by vegetation."""
    samples = found.get("samples", {})
    if "mixing" not in samples or not file.is_file():
        return
    truth = pd.read_csv(file)
    truth["month"] = truth["month"].map(_MONTHS)
    mixing: pd.DataFrame = samples["mixing"].data
    for grouping, column in (("altitude_band", "band"), ("vegetation", "vegetation")):
        means = truth.groupby(["month", column]).mean(numeric_only=True)
        for row in mixing[mixing["grouping"] == grouping].to_dict("records"):
            group = str(row["label"]).replace("–", "-").removesuffix(" m")
            source = str(row["source"]).replace(" ", "_")
            # a source that the study declares absent was not estimated
            known = np.isfinite(row["fraction"]) and row["high"] > 0.0
            if known and (row["period"], group) in means.index:
                true = float(means.loc[(row["period"], group), source])
                of = f"{row['source']}, {row['label']}, {row['period']}"
                limits = (row["fraction"], row["low"], row["high"])
                yield _row("Fraction of a source", of, true, *limits)


def _row(
    quantity: str,
    case: str,
    truth: float,
    found: float,
    low: float = np.nan,
    high: float = np.nan,
) -> Row:
    numbers = {"truth": truth, "found": found, "low": low, "high": high}
    return {"quantity": quantity, "case": case, **{key: float(x) for key, x in numbers.items()}}


def _draw(table: pd.DataFrame) -> Figure:
    with house_style():
        figure = new_figure(4.6, 4.2)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, ls="--", lw=0.9)
        sources = table["case"].str.partition(",")[0]
        for k, source in enumerate(dict.fromkeys(sources)):
            own = table[sources == source]
            axes.vlines(own["truth"], own["low"], own["high"], color=CATEGORY[k], lw=0.8, alpha=0.6)
            axes.plot(own["truth"], own["found"], "o", ms=4, color=CATEGORY[k], label=source)
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("True fraction")
        axes.set_ylabel("Fraction found")
        axes.legend(loc="upper left")
    return figure
