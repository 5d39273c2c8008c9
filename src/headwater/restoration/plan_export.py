"""A plan for other programs and for paper: CSV, XLSX, GeoPackage, and a page that prints."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, ResumeError
from headwater.restoration.plan import Plan, PlanLine, plan_table, water_check
from headwater.restoration.units import CRS

__all__ = ["plan_page", "write_plan"]


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


def plan_page(plan: Plan, *, language: str = "en") -> str:
    """Compose the page of a plan for print: map, and a block for each unit.

    Parameters
    ----------
    plan : Plan
    language : {"en", "zh"}
    profile : MeasureProfile, optional

    Returns
    -------
    str
        HTML without scripts, that needs no network.
    """
    table = plan_table(plan, language=language)
    blocks = "".join(_block(line, table[table["unit"] == line.unit.name]) for line in plan.lines)
    counts = pd.Series([line.state for line in plan.lines]).value_counts()
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return (
        f"<!doctype html><html lang='{language}'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Restoration plan {plan.year}</title><style>{_STYLE}</style></head><body>"
        f"<h1>Restoration plan {plan.year}</h1><p>{len(plan.lines)} units: {states}. Measures: "
        f"{escape(plan.profile)}. Dates are last days; nothing is approved until a person has "
        f"signed.</p>{_picture(plan)}{blocks}</body></html>\n"
    )


_STYLE = (
    "body{font:14px/1.4 system-ui,'Noto Sans CJK SC',sans-serif;color:#1f2933;max-width:60rem;"
    "margin:1rem auto;padding:0 1rem}h1{font-size:1.4rem}"
    "h2{font-size:1.05rem;margin:1.2rem 0 .2rem}"
    "table{border-collapse:collapse;width:100%;font-size:.85rem}"
    "th,td{border-bottom:1px solid #cbd2d9;padding:.25rem .4rem;text-align:left;"
    "vertical-align:top}svg{max-width:100%;height:auto}.wide{overflow-x:auto}"
    "section{break-inside:avoid}.small{color:#52606d;font-size:.85rem}"
    "@page{size:A4;margin:15mm}@media print{body{max-width:none;margin:0;font-size:11px}}"
)


def _picture(plan: Plan) -> str:
    from headwater.figures import render
    from headwater.restoration.plots import draw_units
    from headwater.restoration.results import unit_frame

    if any(line.unit.outline is None for line in plan.lines):
        return ""
    drawn = render(draw_units(unit_frame(plan.lines)), "svg").decode()
    return drawn[drawn.index("<svg") :]


def _block(line: PlanLine, rows: pd.DataFrame) -> str:
    unit, advice = line.unit, line.advice
    heads = {
        "measure": "Measure",
        "amounts": "Yours",
        "opens": "From",
        "latest_beginning": "Begin by",
        "deadline": "Done by",
        "closes_dry": "Dry year closes",
        "earthwork": "Size",
        "source": "Source",
    }
    shown = [name for name in heads if (rows[name].astype(str) != "").any()]
    head = "".join(f"<th>{heads[name]}</th>" for name in shown)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(row[name]))}</td>' for name in shown)}</tr>"
        for row in rows.to_dict("records")
    )
    notes = [*advice.reasons, water_check(line)]
    notes += [f"refused: {text}" for text in rows["refused"].iloc[:1] if text]
    notes += ["visit the field before work begins"] if advice.field_visit_first else []
    trail = "; ".join(
        f"{when} {who}: {state} {why}".strip() for when, who, state, why in line.history
    )
    return (
        f"<section><h2>{escape(unit.name)}: {escape(unit.site.grade)}, {unit.hectares:,.0f} ha, "
        f"{line.state}</h2><div class='wide'><table><tr>{head}</tr>{body}</table></div>"
        f"<p class='small'>{escape('. '.join(notes))}.</p>"
        + (f"<p class='small'>{escape(trail)}</p>" if trail else "")
        + "<p class='small'>Approved by: ____________________ &nbsp; Date: ____________</p>"
        "</section>"
    )


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
        "water": [water_check(line) for line in lines],
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
