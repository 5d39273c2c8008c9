"""What stands on top of the page: the study's title and its facts."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from headwater.report.page import Front

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from headwater.results import Result
    from headwater.study import Study

__all__ = ["front_of"]


def front_of(
    study: Study,
    grids: Mapping[str, Result] | None,
    samples: Mapping[str, Result] | None = None,
) -> Front:
    """Sum a study up.

    Parameters
    ----------
    study : Study
        The study file.
    grids : mapping of Result, or None
        Results of the step ``grids``, where it has finished.
    samples : mapping of Result, optional
        Results of the step ``samples``, where it has finished.

    Returns
    -------
    Front
    """
    facts = list(_place(grids["coverage"].data, grids["inputs"].data)) if grids else []
    first, last = (calendar.month_name[month] for month in study.growing_season)
    if grids is None or (grids["inputs"].data["steps"] > 1).any():
        facts.append(("Growing season", first if first == last else f"{first} to {last}"))
    if samples:
        facts += _campaign(samples["table"].data)
    if not study.inputs:
        return Front(study.name, facts=tuple(fact for fact in facts if fact[0] != "Growing season"))
    target = next(iter(study.inputs))
    return Front(study.name, facts=(("Target", study.term(target).long_name), *facts))


def _campaign(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    kinds = table["water"].nunique()
    yield "Samples", f"{len(table)} of {kinds} water{'' if kinds == 1 else 's'}"
    days = table["time"].dropna()
    if not days.empty:
        yield "Sampled", f"{days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}"


def _place(coverage: xr.Dataset, inputs: pd.DataFrame) -> Iterator[tuple[str, str]]:
    from headwater.grids.geometry import crs_of, geobox_of, is_geographic

    grid, crs = geobox_of(coverage), crs_of(coverage)
    box = grid.boundingbox
    code = f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else crs.name
    side = abs(grid.transform.a)
    if is_geographic(coverage):
        yield (
            "Extent",
            f"{_degrees(box.left, box.right, 'EW')}, {_degrees(box.bottom, box.top, 'NS')}",
        )
        size = f"{side:g}°"
    else:
        edges = (box.left, box.right, box.bottom, box.top)
        west, east, south, north = (f"{edge / 1000:.6g}" for edge in edges)
        yield "Extent", f"{west} to {east} km east, {south} to {north} km north"
        size = f"{side / 1000:g} km" if side >= 1000 else f"{side:g} m"
    rows, columns = grid.shape
    yield "Study grid", f"{rows} × {columns} cells of {size}, {code}"
    varying = inputs[inputs["steps"] > 1]
    dated = inputs[inputs["start"].astype(str).str.len() > 4] if varying.empty else varying
    if not dated.empty:
        ends = map(_last_day, dated["start"], dated["end"], dated["steps"])
        start, end = dated["start"].min(), max(ends)
        yield "Period", start if start == end else f"{start} to {end}"


def _last_day(start: str, end: str, steps: int) -> str:
    """Last day that the times stand for: months and years are often stamped with their first."""
    import pandas as pd

    if steps < 2 or not re.fullmatch(r"\d{4}-\d\d-01", str(end)):
        return end
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    days = (last - first).days / (steps - 1)
    if 27.0 < days < 32.0:
        return f"{last + pd.offsets.MonthEnd(0):%Y-%m-%d}"
    if 360.0 < days < 367.0 and last.month == 1:
        return f"{last.year}-12-31"
    return end


def _degrees(low: float, high: float, letters: str) -> str:
    ends = [f"{abs(round(value, 2)):g}° {letters[value < 0]}" for value in (low, high)]
    same = ends[0][-1] == ends[1][-1]
    return f"{ends[0][:-3]}–{ends[1]}" if same and low >= 0 else f"{ends[0]} to {ends[1]}"
