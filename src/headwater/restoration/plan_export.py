"""A plan for other programs and for paper: CSV, XLSX, GeoPackage, and a page to print and sign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, ResumeError
from headwater.restoration.plan import Plan, PlanLine, plan_table
from headwater.restoration.plan_chinese import GRADES_ZH, STATES_ZH
from headwater.restoration.units import CRS

__all__ = [
    "plan_page",
    "write_plan",
]

_EN = {
    "title": "Restoration plan {}",
    "lead": "{n} units: {states}. Measures: {profile}. Nothing is approved until a person has "
    "signed; “begin by” is the last day on which work must begin, with “done by” a day that the "
    "season rarely overtakes.",
    "map": "Units by grade, numbered by priority",
    "measure": "Measure",
    "amounts": "Yours",
    "opens": "From",
    "latest_beginning": "Begin by",
    "deadline": "Done by",
    "closes": "Window closes",
    "closes_dry": "In a dry year",
    "earthwork": "Size",
    "source": "Source",
    "head": "{grade}, {hectares} ha, {state}",
    "refused": "Refused",
    "visit": "Visit the field before work begins",
    "short": "does not fit between opening and deadline in every year: divide it, bring more "
    "people, or begin in the autumn before",
    "none": "No measure: every one is refused",
    "trail": "Trail",
    "found": "Found",
    "sign": "Approved by: ____________________ &nbsp; Date: ____________",
    "stop": ".",
}
_ZH = {
    "title": "{} 年恢复计划",
    "lead": "{n} 个单元：{states}。措施依据：{profile}。未经签字一律未批准；"
    "“最迟开工”为必须开工的最后一天，“完成期限”为生长季很少提前越过的一天。",
    "map": "各单元退化等级，数字为优先次序",
    "measure": "措施",
    "amounts": "用量（用户填写）",
    "opens": "自",
    "latest_beginning": "最迟开工",
    "deadline": "完成期限",
    "closes": "窗口关闭",
    "closes_dry": "干旱年关闭",
    "earthwork": "规格",
    "source": "来源",
    "head": "{grade}，{hectares} 公顷，{state}",
    "refused": "不采取",
    "visit": "动工前须实地踏勘",
    "short": "并非每年都能在开工与期限之间完成：分段实施、增加人手，或提前至上一年秋季",
    "none": "无可行措施：全部不采取",
    "trail": "记录",
    "found": "评估",
    "sign": "批准人：____________________ &nbsp; 日期：____________",
    "stop": "。",
}
_DATES = ("opens", "latest_beginning", "deadline", "closes", "closes_dry")
_COLUMNS = ("measure", "amounts", *_DATES, "earthwork", "source")
_STYLE = (
    "body{font:14px/1.45 system-ui,'Noto Sans CJK SC',sans-serif;color:#1f2933;max-width:64rem;"
    "margin:1rem auto;padding:0 1rem}h1{font-size:1.4rem}"
    "h2{font-size:1.05rem;margin:1.4rem 0 .3rem}h2 small{font-weight:400;color:#52606d}"
    "table{border-collapse:collapse;width:100%;min-width:44rem;font-size:.85rem}"
    "th,td{border-bottom:1px solid #cbd2d9;padding:.3rem .6rem .3rem 0;text-align:left;"
    "vertical-align:top}td.date{white-space:nowrap}td.measure{min-width:9rem}"
    "td.earthwork{min-width:13rem}td.source{min-width:8rem}td.source,figcaption,.small{color:#52606d}"
    ".key{margin-left:.8rem;white-space:nowrap}.key i{display:inline-block;width:1.1em;height:.8em;"
    "margin-right:.3em;border:1px solid #52606d}figure{margin:0}svg{max-width:100%;height:auto}"
    ".wide{overflow-x:auto}"
    "ul{margin:.4rem 0;padding-left:1.1rem;font-size:.85rem}.must{color:#9b1c1c;font-weight:600}"
    "section{break-inside:avoid}.small{font-size:.85rem}"
    "@page{size:A4;margin:15mm}@media print{body{max-width:none;margin:0;font-size:11px}"
    "table{min-width:0}}"
)


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
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    table = plan_table(plan, language=language).replace(ILLEGAL_CHARACTERS_RE, "\ufffd", regex=True)
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        table.to_excel(book, index=False, sheet_name="plan", freeze_panes=(1, 1))
        for row in book.sheets["plan"].iter_rows(min_row=2):
            for cell in row:
                if isinstance(cell.value, str):
                    cell.data_type = "s"  # "=…" and "#N/A" of a name are no formula and no error
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


def plan_page(plan: Plan, *, language: str = "en") -> str:
    """Write a plan as a page that prints.

    Parameters
    ----------
    plan : Plan
    language : {"en", "zh"}
        Of the page; what people wrote stays as it is.

    Returns
    -------
    str
        HTML, one file, without a link to anything.
    """
    words = _ZH if language == "zh" else _EN
    table = plan_table(plan, language=language)
    blocks = "".join(
        _block(place, line, table[table["unit"] == line.unit.name], words)
        for place, line in enumerate(plan.lines, 1)
    )
    counts = pd.Series([line.state for line in plan.lines]).value_counts()
    listed = [
        f"{count} {STATES_ZH[str(state)] if words is _ZH else state}"
        for state, count in counts.items()
    ]
    states = ("、" if words is _ZH else ", ").join(listed)
    lead = words["lead"].format(n=len(plan.lines), states=states, profile=escape(plan.profile))
    title = words["title"].format(plan.year)
    return (
        f"<!doctype html><html lang='{language}'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{title}</h1><p>{lead}</p>{_picture(plan, words)}{blocks}</body></html>\n"
    )


def _picture(plan: Plan, words: Mapping[str, str]) -> str:
    from headwater.figures import render
    from headwater.restoration.plots import GRADE_COLOURS, draw_units
    from headwater.restoration.results import unit_frame

    if any(line.unit.outline is None for line in plan.lines):
        return ""
    drawn = render(draw_units(unit_frame(plan.lines), legend=False), "svg").decode()
    present = {line.unit.site.grade for line in plan.lines}
    # in HTML, for the figure's fonts may lack the characters
    keys = "".join(
        f"<span class='key'><i style='background:{colour}'></i>"
        f"{GRADES_ZH[grade] if words is _ZH else grade}</span>"
        for grade, colour in GRADE_COLOURS.items()
        if grade in present
    )
    caption = f"<figcaption class='small'>{words['map']} {keys}</figcaption>"
    return f"<figure>{drawn[drawn.index('<svg') :]}{caption}</figure>"


def _block(place: int, line: PlanLine, rows: pd.DataFrame, words: Mapping[str, str]) -> str:
    unit = line.unit
    chinese = words is _ZH
    head = words["head"].format(
        grade=GRADES_ZH[unit.site.grade] if chinese else unit.site.grade,
        hectares=f"{unit.hectares:,.0f}",
        state=STATES_ZH[line.state] if chinese else line.state,
    )
    return (
        f"<section><h2>{place}. {escape(unit.name)} <small>{escape(head)}</small></h2>"
        f"{_works(rows, words)}<ul>{''.join(_notes(line, rows, words))}</ul>"
        f"{_trail(line, words)}<p class='small'>{words['sign']}</p></section>"
    )


def _works(rows: pd.DataFrame, words: Mapping[str, str]) -> str:
    if not (rows["measure"] != "").any():
        return f"<p>{words['none']}{words['stop']}</p>"
    shown = [name for name in _COLUMNS if (rows[name].astype(str) != "").any()]
    head = "".join(f"<th>{words[name]}</th>" for name in shown)
    body = "".join(
        f"<tr>{''.join(_cell(name, str(row[name])) for name in shown)}</tr>"
        for row in rows.to_dict("records")
    )
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _cell(name: str, text: str) -> str:
    kind = " class='date'" if name in _DATES else f" class='{name}'"
    return f"<td{kind}>{escape(text)}</td>"


def _notes(line: PlanLine, rows: pd.DataFrame, words: Mapping[str, str]) -> list[str]:
    part = "；" if words is _ZH else "; "
    notes = [*rows["reasons"].iloc[0].split(part), rows["water_check"].iloc[0]]
    refused = rows["refused"].iloc[0]
    notes += [f"{words['refused']}: {refused}"] if refused else []
    found = [f"<li>{escape(_begun(text))}{words['stop']}</li>" for text in notes if text]
    late = rows.loc[~rows["enough_days"].astype(bool), "measure"]
    found += [
        f"<li class='must'>{escape(text)}: {words['short']}{words['stop']}</li>" for text in late
    ]
    if line.advice.field_visit_first:
        found.append(f"<li class='must'>{words['visit']}{words['stop']}</li>")
    return found


def _trail(line: PlanLine, words: Mapping[str, str]) -> str:
    if not line.history:
        return ""
    chinese = words is _ZH
    steps = [
        f"{when[:16].replace('T', ' ')} {who}: {STATES_ZH.get(state, state) if chinese else state}"
        + (f", {why}" if why else "")
        for when, who, state, why in line.history
    ]
    return f"<p class='small'>{words['trail']}: {escape('; '.join(steps))}</p>"


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]
