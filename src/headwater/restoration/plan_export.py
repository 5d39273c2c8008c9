"""A plan for other programs and for paper: CSV, XLSX, GeoPackage, and a page that prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, ResumeError
from headwater.restoration.plan import Plan, plan_table
from headwater.restoration.plan_printing import plan_page
from headwater.restoration.units import CRS

__all__ = ["write_plan"]


def write_plan(
    plan: Plan,
    path: str | Path,
    *,
    language: str = "en",
) -> Path:
    """Write a plan as CSV, XLSX, GeoPackage or printable page.

    Parameters
    ----------
    plan : Plan
    path : str or Path
        Its suffix says which: .csv, .xlsx, .gpkg or .html.
    language : {"en", "zh"}
        Of the names of measures.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the suffix is none of these.
    DataError
        If a GeoPackage is asked of a plan without outlines.
    ResumeError
        If it cannot be written.
    """
    target = Path(path)
    if target.suffix not in _WRITERS:
        raise InputError(
            "a plan in no format that is known",
            found=f"'{target.suffix}'",
            do=f"Write {', '.join(_WRITERS)}",
        )
    temporary = target.with_name(f".writing-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _WRITERS[target.suffix](plan, temporary, language)
        temporary.replace(target)
    except OSError as error:
        raise ResumeError(
            "the plan cannot be written", found=str(error), do="Choose another place"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _csv(plan: Plan, path: Path, language: str) -> None:
    table = plan_table(plan, language=language)
    table.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\n")


def _xlsx(plan: Plan, path: Path, language: str) -> None:
    table = plan_table(plan, language=language)
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        table.to_excel(book, index=False, sheet_name="plan", freeze_panes=(1, 1))
        columns = book.sheets["plan"].column_dimensions
        for place, name in enumerate(table):
            longest = max(len(str(name)), *(len(str(one)) for one in table[name]))
            columns[chr(ord("A") + place)].width = min(longest + 2, 60)


def _html(plan: Plan, path: Path, language: str) -> None:
    path.write_text(plan_page(plan, language=language), encoding="utf-8")


def _geopackage(plan: Plan, path: Path, language: str) -> None:
    from pyogrio.raw import write
    from shapely import to_wkb

    lines = plan.lines
    if any(line.unit.outline is None for line in lines):
        raise DataError(
            "a map of a plan without outlines",
            found="units from a table",
            do="Make the plan of a GeoPackage or GeoJSON of units, or write .csv or .xlsx",
        )
    fields = _fields(plan, language)
    write(
        path,
        geometry=np.array([to_wkb(line.unit.outline) for line in lines], dtype=object),
        field_data=[
            np.asarray(values, dtype=object if isinstance(values[0], str) else np.float64)
            for values in fields.values()
        ],
        fields=list(fields),
        geometry_type="Unknown",
        crs=CRS,
        driver="GPKG",
        layer="plan",
    )


def _fields(plan: Plan, language: str) -> dict[str, list[Any]]:
    """Give the attributes of the map: a value for each unit."""
    lines = plan.lines
    rows = [part for _, part in plan_table(plan, language=language).groupby("unit", sort=False)]
    begin = [sorted(text for text in part["latest_beginning"] if text) for part in rows]
    return {
        "unit": [line.unit.name for line in lines],
        "grade": [line.unit.site.grade for line in lines],
        "confidence": [line.advice.confidence for line in lines],
        "measures": ["; ".join(_dated(row) for row in part.to_dict("records")) for part in rows],
        "begin_by": [dates[0] if dates else "" for dates in begin],
        "state": [line.state for line in lines],
        "priority": [line.priority for line in lines],
        "hectares": [line.unit.hectares for line in lines],
        "warning": [line.unit.site.warning for line in lines],
        "water": [part["water_check"].iloc[0] for part in rows],
    }


def _dated(row: Mapping[Any, Any]) -> str:
    days = f" ({row['latest_beginning']} – {row['deadline']})" if row["deadline"] else ""
    return f"{row['measure']}{days}"


_Writer = Callable[[Plan, Path, str], None]
_WRITERS: dict[str, _Writer] = {
    ".csv": _csv,
    ".xlsx": _xlsx,
    ".gpkg": _geopackage,
    ".html": _html,
}
