"""The chapter that ends a report on made-up data: what the methods recovered of the truth."""

from __future__ import annotations

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

    from headwater.results import Result

    Found = Mapping[str, Mapping[str, Result]]
    Row = dict[str, Any]

__all__ = ["make_recovered"]

_LOST, _ALARM = 0.2, ("warning", "confirmed")
"""Share of cover from which on a loss should be found, and the states that report one."""
_MONTHS = {6: "June", 8: "August", 9: "September"}


def make_recovered(found: Found, truth: Path) -> Section:
    """Compare results with the truth of a virtual headwater.

    Parameters
    ----------
    found : mapping of mapping of Result
        Results by step and name.
    truth : Path
        Folder with ``truth.nc`` and ``truth_fractions.csv``, as the demo writes them.

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
        rows = [*_of_water(found, data), *_of_line(found, data), *_of_alerts(found, data)]
    rows += _of_sources(found, truth / "truth_fractions.csv")
    table = pd.DataFrame(rows)
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
    for quantity, own in table.groupby("quantity", sort=False):
        sure = own[own["within"] != "no interval"]
        error = own["found"] - own["truth"]
        size, kind = (
            (float(error.abs().mean()), "mean absolute error")
            if len(own) > 1
            else (
                float(error.iloc[0]),
                "error",
            )
        )
        held = f", {(sure['within'] == 'yes').sum()} of {len(sure)} intervals hold the truth"
        words = f"{quantity}: {kind} {size:.2g}"
        yield f"{words} (n = {len(own)}){held if len(sure) else ''}."


def _blocks(table: pd.DataFrame) -> Iterator[FigureBlock | TableBlock]:
    shares = table[table["quantity"] == "Fraction of a source"]
    if len(shares):
        yield FigureBlock(
            "recovered-fractions",
            partial(_draw, shares),
            f"Fractions found, with their 95 % intervals, against the true ones; n = {len(shares)} "
            "sources of groups and months. On the dashed line they agree. A fraction that is truly "
            "0 or 1 lies at the edge of what a posterior can hold, outside its interval.",
            "Found against true fractions of the sources.",
            wide=False,
        )
    yield TableBlock(
        "recovered",
        table,
        "Truth of the virtual headwater, what was found, and its 95 % interval.",
    )


def _of_water(found: Found, data: xr.Dataset) -> Iterator[Row]:
    """Compare trend, level and variation of the mean of the area."""
    from headwater.grids import cell_area

    variation = found.get("variation", {})
    if "summary" not in variation or "soil_moisture" not in data:
        return
    cube = data["soil_moisture"]
    mean = cube.weighted(cell_area(cube).where(np.isfinite(cube[0]), 0.0)).mean(("y", "x"))
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
    table: pd.DataFrame = variation["summary"].data
    own = table[table["variable"] == "soil_moisture"]
    for row in own.to_dict("records"):
        told = truths.get((row["statistic"], row["period"]))
        if told is not None:
            # of a mean, low and high are years, and no interval
            trend = str(row["statistic"]).startswith("trend")
            limits = (row["low"], row["high"]) if trend else (np.nan, np.nan)
            yield _row(told[0], "area", told[1], row["value"], *limits)


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
    of: str,
    truth: float,
    found: float,
    low: float = np.nan,
    high: float = np.nan,
) -> Row:
    numbers = {"truth": truth, "found": found, "low": low, "high": high}
    return {"quantity": quantity, "of": of, **{key: float(x) for key, x in numbers.items()}}


def _draw(table: pd.DataFrame) -> Figure:
    with house_style():
        figure = new_figure(4.6, 4.2)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, ls="--", lw=0.9)
        sources = table["of"].str.partition(",")[0]
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
