"""A plan for other programs and for paper: CSV, XLSX, GeoPackage, and a page that prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from headwater.errors import DataError, InputError, ResumeError
from headwater.restoration.plan import Plan, plan_table
from headwater.restoration.plan_page import plan_page
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
    plan_table(plan, language=language).to_excel(path, index=False, sheet_name="plan")


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
    table = plan_table(plan, language=language).groupby("unit", sort=False)
    joined = {
        name: table[name].agg(lambda texts: "; ".join(str(one) for one in texts if str(one)))
        for name in ("measure", "latest_beginning", "deadline")
    }
    fields: dict[str, Any] = {
        "unit": [line.unit.name for line in lines],
        "grade": [line.unit.site.grade for line in lines],
        "confidence": [line.advice.confidence for line in lines],
        "measures": joined["measure"].tolist(),
        "begin_by": joined["latest_beginning"].tolist(),
        "done_by": joined["deadline"].tolist(),
        "state": [line.state for line in lines],
        "priority": [line.priority for line in lines],
        "hectares": [line.unit.hectares for line in lines],
        "warning": [line.unit.site.warning for line in lines],
        "water": table["water_check"].first().tolist(),
    }
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


_Writer = Callable[[Plan, Path, str], None]
_WRITERS: dict[str, _Writer] = {
    ".csv": _csv,
    ".xlsx": _xlsx,
    ".gpkg": _geopackage,
    ".html": _html,
}
