"""Tables as people write them: how often a number is read as another one without a warning.

A clean table of samples is written in thousands of ways: other columns in another order, English
and Chinese names, units in the head, under it and in the cells, other encodings and separators,
decimal commas and thousands, dates in any order, marks of missing values, titles, notes, repeated
heads, ragged rows and workbooks. Each is read back and compared with the clean one.

    python benchmarks/table_mutations.py            10 000 files, writes docs/simulations/tables.md
    python benchmarks/table_mutations.py 500        fewer, printed only
"""

import csv
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from headwater.errors import HeadwaterError
from headwater.tables import read_table
from headwater.tables.vocabulary import fields_named

FIELDS = fields_named(
    (
        "sample_id",
        "water",
        "time",
        "longitude",
        "latitude",
        "elevation",
        "depth_top",
        "depth_bottom",
        "depth",
        "vegetation",
        "d18O",
        "d2H",
        "d18O_sd",
        "d2H_sd",
        "amount",
        "station",
        "soil_moisture",
    )
)
NUMBERS = {
    # low, high, decimals, units with factor to ours, names
    "longitude": (95.0, 103.0, 4, {"": 1.0}, ("longitude", "lon", "经度", "Long.", "Lon (°)")),
    "latitude": (33.0, 39.0, 4, {"": 1.0}, ("latitude", "Lat", "纬度", "lat", "Latitude (°N)")),
    "elevation": (
        800.0,
        5200.0,
        0,
        {"": 1.0, "m": 1.0, "ft": 0.3048, "km": 1000.0, "m a.s.l.": 1.0},
        ("elevation", "Altitude", "海拔", "高程", "elev"),
    ),
    "depth_top": (
        0.0,
        0.8,
        2,
        {"m": 1.0, "cm": 0.01, "mm": 0.001},
        ("depth_top", "Depth from", "上限深度"),
    ),
    "depth_bottom": (
        0.9,
        1.6,
        2,
        {"m": 1.0, "cm": 0.01, "mm": 0.001},
        ("depth_bottom", "depth to", "下限深度"),
    ),
    "d18O": (
        -25.0,
        -4.0,
        2,
        {"": 1.0, "‰": 1.0, "per mil": 1.0, "‰, VSMOW": 1.0},
        ("d18O", "δ18O", "δ¹⁸O", "O18", "delta 18O", "氧同位素", "d(18_16)Mean", "18O"),
    ),
    "d2H": (
        -190.0,
        -20.0,
        1,
        {"": 1.0, "‰": 1.0, "permil": 1.0},
        ("d2H", "δ2H", "δD", "dD", "deuterium", "氢同位素", "d(D_H)Mean", "H2"),
    ),
    "d18O_sd": (0.05, 0.3, 2, {"": 1.0, "‰": 1.0}, ("d18O_sd", "sd d18O", "d18O std")),
    "amount": (
        0.0,
        80.0,
        1,
        {"": 1.0, "mm": 1.0, "cm": 10.0, "in": 25.4},
        ("amount", "Precipitation", "降水量", "rain"),
    ),
    "soil_moisture": (
        0.02,
        0.55,
        3,
        {"": 1.0, "m3/m3": 1.0, "%": 0.01, "vol%": 0.01, "cm³/cm³": 1.0, "m3 m-3": 1.0},
        ("soil_moisture", "VWC", "土壤含水量", "土壤湿度", "theta"),
    ),
}
ENGLISH = {
    "sample_id": ("sample_id", "ID", "Sample ID", "样品编号", "样号"),
    "water": ("water", "Type", "水样类型", "Media Type"),
    "time": ("time", "date", "采样时间", "采样日期", "Sampling date"),
}
FILLS = ("9999", "999", "32767", "99999", "-32768", "1e20")
MARKS = (
    "<0.5",
    "< LOD",
    "",
    "-",
    "/",
    "NA",
    "N/A",
    "ND",
    "nan",
    "缺测",
    "-9999",
    "-999",
    "-9999.0",
    "<LOD",
    "BDL",
    "#N/A",
    "—",
    "null",
    "n.d.",
)
DATES = (
    "iso",
    "slash",
    "dmy/",
    "mdy/",
    "dmy.",
    "dmy-",
    "words",
    "chinese",
    "compact",
    "serial",
    "clock",
    "zone",
    "us clock",
    "short",
    "parts",
    "apart",
    "ordinal",
    "no zeros",
)
ENCODINGS = (
    "utf-8",
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "gbk",
    "gb18030",
    "latin-1",
    "cp1252",
)


@dataclass(frozen=True)
class Mutated:
    """One file, and what it should be read as."""

    content: bytes
    name: str
    expected: pd.DataFrame
    names: dict[str, str]
    traits: tuple[str, ...] = field(default=())


class _Writer:
    """Chooses at random, and keeps what was chosen."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.traits = rng, []

    def one(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, p: float, trait: str = "") -> bool:
        hit = bool(self.rng.random() < p)
        if hit and trait:
            self.traits.append(trait)
        return hit


def _group(digits: str, sign: str) -> str:
    parts = []
    while len(digits) > 3:
        parts.insert(0, digits[-3:])
        digits = digits[:-3]
    return sign.join([digits, *parts])


def _number(value: float, decimals: int, style: dict, fixed: bool) -> str:
    text = f"{abs(value):.{decimals}f}"
    whole, _, rest = text.partition(".")
    if not fixed:
        rest = rest.rstrip("0")
    if style["thousands"] and len(whole) > 3:
        whole = _group(whole, style["thousands"])
    text = whole + (style["decimal"] + rest if rest else "")
    return (style["minus"] if value < 0 else "") + text


def _dates(days: list[pd.Timestamp], how: str) -> dict[str, list[str]]:
    forms = {
        "iso": "%Y-%m-%d",
        "slash": "%Y/%m/%d",
        "dmy/": "%d/%m/%Y",
        "mdy/": "%m/%d/%Y",
        "dmy.": "%d.%m.%Y",
        "dmy-": "%d-%m-%Y",
        "words": "%d-%b-%Y",
        "compact": "%Y%m%d",
        "clock": "%Y-%m-%d %H:%M",
        "zone": "%Y-%m-%dT%H:%M:%SZ",
        "us clock": "%m/%d/%Y %I:%M %p",
        "short": "%d/%m/%y",
        "ordinal": "%Y-%j",
        "chinese": "%Y年%m月%d日",
    }
    if how == "offset":
        return {"": [day.strftime("%Y-%m-%dT%H:%M:%S+08:00") for day in days]}
    if how in forms:
        return {"": [day.strftime(forms[how]) for day in days]}
    if how == "no zeros":
        return {"": [f"{day.year}/{day.month}/{day.day}" for day in days]}
    if how == "serial":
        return {"": [str((day - pd.Timestamp("1899-12-30")).days) for day in days]}
    if how == "parts":
        return {
            part: [str(getattr(day, part)) for day in days] for part in ("year", "month", "day")
        }
    return {
        "date": [day.strftime("%Y-%m-%d") for day in days],
        "time": [day.strftime("%H:%M") for day in days],
    }


def mutate(rng: np.random.Generator) -> Mutated:
    """Write a clean table in one of the ways in which people write theirs."""
    w = _Writer(rng)
    n = int(rng.integers(3, 25))
    workbook = w.chance(0.06, "workbook")
    separator = "," if workbook else w.one((",", ",", ";", "\t", "|"))
    style = {"decimal": ".", "thousands": "", "minus": "-"}
    if not workbook:
        if w.chance(0.3, "decimal comma"):
            style["decimal"] = ","
        if w.chance(0.25, "thousands"):
            other = "." if style["decimal"] == "," else ","
            style["thousands"] = w.one((other, other, " ", "\u00a0", "'"))
        if w.chance(0.1, "minus"):
            style["minus"] = w.one(("−", "－", "-"))
    columns: dict[str, list[str]] = {}
    expected: dict[str, np.ndarray] = {}
    names: dict[str, str] = {}
    units_row: dict[str, str] = {}
    wanted = ["d18O", "d2H", *(k for k in NUMBERS if k not in ("d18O", "d2H") and w.chance(0.5))]
    below_head = w.chance(0.15, "units below")
    for key in wanted:
        head, texts, values, unit = _column(w, key, n, style, below_head, workbook)
        columns[head], expected[key], names[key] = texts, values, head
        units_row[head] = unit
    for head, key, texts, values in _words(w, n, style):
        columns[head] = texts
        if values is not None:
            expected[key], names[key] = values, head
        units_row[head] = ""
    for head, texts, values in _others(w, n, style, workbook):
        columns[head], units_row[head] = texts, ""
        taken = bool(set(values) & set(expected))
        for key, true in values.items():
            if not taken:
                expected[key], names[key] = true, head
    heads = list(columns)
    if w.chance(0.7, "shuffled"):
        heads = [heads[i] for i in rng.permutation(len(heads))]
    rows = [[columns[head][i] for head in heads] for i in range(n)]
    body = [heads, *([[units_row[head] for head in heads]] if below_head else []), *rows]
    body = _around(w, body, heads, workbook)
    frame = pd.DataFrame(expected)
    if workbook:
        return Mutated(_workbook(w, body), "lab.xlsx", frame, names, tuple(w.traits))
    content = _text(w, body, separator)
    return Mutated(content, "lab.csv", frame, names, tuple(w.traits))


def _others(w, n, style, workbook):
    """Columns of no known meaning, and depths as intervals; a depth of its own goes before."""
    if w.chance(0.4, "unknown columns"):
        places = int(w.rng.integers(0, 4))
        head = w.one(("NDVI", "坡度", "TN (g/kg)", "pH", "EC", "人口"))
        values = np.round(w.rng.uniform(0, w.one((1, 20, 9000)), n), places)
        fixed = w.chance(0.5)
        texts = [_number(v, places, style, fixed) for v in values]
        if workbook:
            texts = [repr(float(v)) for v in values]
        gone = w.rng.random(n) < (0.2 if w.chance(0.3) else 0.0)
        mark = w.one(MARKS)
        texts = [mark if g else t for g, t in zip(gone, texts, strict=True)]
        yield head, texts, {head: np.where(gone, np.nan, values)}
    if w.chance(0.3, "intervals"):
        tops = np.arange(n) * 10
        dash, tail = w.one(("-", "–", "~", " to ")), w.one(("cm", " cm", ""))
        head = w.one(("depth", "土层深度", "Soil depth")) + ("" if tail else " (cm)")
        texts = [f"{top}{dash}{top + 20}{tail}" for top in tops]
        yield head, texts, {"depth_top": tops / 100, "depth_bottom": (tops + 20) / 100}


def _column(w, key, n, style, below_head, workbook):
    low, high, decimals, units, choices = NUMBERS[key]
    unit = w.one(list(units))
    factor = units[unit]
    places = decimals + (0 if factor >= 1 else 1) if unit != "km" else 3
    places = {"cm": 0, "mm": 0}.get(unit, places) if key.startswith("depth") else places
    if w.chance(0.1):
        places += int(w.rng.integers(1, 3))
    values = np.round(w.rng.uniform(low, high, n) / factor, places)
    fixed = w.chance(0.5)
    texts = [repr(float(v)) if workbook else _number(v, places, style, fixed) for v in values]
    name = w.one(choices)
    in_cells = bool(unit) and not below_head and not workbook and w.chance(0.1, "unit in cells")
    if unit and in_cells:
        texts = [
            f"{text} {unit.split(',')[0]}" if "a.s.l." not in unit else f"{text} m"
            for text in texts
        ]
    elif unit and not below_head:
        shape = w.one((" ({})", "({})", " [{}]", "（{}）", "/{}", " / {}"))
        shape = " ({})" if " " in unit or "." in unit else shape
        name += shape.format(unit)
    result = values * factor
    if not workbook:
        texts = _ornate(w, texts, style)
    missing = np.zeros(n, dtype=bool)
    if w.chance(0.35, "missing"):
        mark = w.one(FILLS if w.chance(0.15, "fill") else MARKS)
        missing = w.rng.random(n) < 0.2
        texts = [mark if gone else text for gone, text in zip(missing, texts, strict=True)]
    return name, texts, np.where(missing, np.nan, result), unit if below_head else ""


def _ornate(w, texts, style):
    """Write numbers with signs, powers or blanks that people leave on them."""
    if w.chance(0.04, "plus"):
        return [text if text[0] in "-−－" else f"+{text}" for text in texts]
    if w.chance(0.04, "blanks"):
        return [f" {text}  " for text in texts]
    if w.chance(0.03, "full width"):
        wide = str.maketrans("0123456789.", "０１２３４５６７８９．")
        return [text.translate(wide) for text in texts]
    return texts


def _words(w, n, style):
    if w.chance(0.7):
        yield w.one(ENGLISH["sample_id"]), "sample_id", [f"S{i:03d}" for i in range(n)], None
    if w.chance(0.7):
        kinds = [w.one(("soil", "rain", "土壤水", "river", "snow")) for _ in range(n)]
        yield w.one(ENGLISH["water"]), "water", kinds, None
    if w.chance(0.4):
        notes = [
            w.one(("", "ok", "two vials, one lost", 'called "wet"', "5.5", "3,500 steps"))
            for _ in range(n)
        ]
        yield w.one(("Remark", "备注", "notes")), "", notes, None
    if w.chance(0.85):
        how = w.one(DATES)
        how = "offset" if w.chance(0.05) else how
        w.traits.append(f"dates {how}")
        start = pd.Timestamp("2019-01-01") + pd.Timedelta(days=int(w.rng.integers(0, 900)))
        days = [
            start + pd.Timedelta(days=int(k), hours=int(h))
            for k, h in zip(w.rng.integers(0, 200, n), w.rng.integers(0, 24, n), strict=True)
        ]
        written = _dates(days, how)
        timed = how in ("clock", "zone", "us clock", "apart")
        true = np.array([day if timed else day.normalize() for day in days], "datetime64[us]")
        if how == "offset":
            true = np.array([day - pd.Timedelta(hours=8) for day in days], "datetime64[us]")
        for i, (part, texts) in enumerate(written.items()):
            name = part or w.one(ENGLISH["time"])
            yield name, "time", texts, true if i == 0 else None


def _around(w, body, heads, workbook):
    """Put titles above, notes and summaries below, and break rows."""
    width = len(heads)
    pad = [""] * (width - 1)
    if w.chance(0.12, "head again") and len(body) > 4:
        place = int(w.rng.integers(3, len(body)))
        body = [*body[:place], list(heads), *body[place:]]
    if w.chance(0.05, "summary") and not any("unit in cells" in t for t in w.traits):
        body = [*body, [w.one(("Mean", "平均", "SD")), *["1"] * (width - 1)]]
    if not workbook and w.chance(0.06, "preamble"):
        body = [["Project", "Upper basin"], ["Laboratory", "A", "2020"], *body]
    if w.chance(0.15, "title"):
        words = w.one(("Isotopes of the upper basin", "表1 同位素测定结果", "Report; June 2020"))
        body = [[words, *pad], *([[""] * width] if w.chance(0.5) else []), *body]
    if w.chance(0.1, "comment"):
        body = [["# exported by the laboratory"], *body]
    if w.chance(0.12, "note below"):
        body = [*body, [w.one(("Note: measured with a laser", "注：激光同位素仪测定")), *pad]]
    if w.chance(0.08, "blank rows"):
        place = int(w.rng.integers(1, len(body)))
        body = [*body[:place], [""] * width, *body[place:]]
    if w.chance(0.08, "trailing separator"):
        body = [[*row, ""] for row in body]
    if not workbook and w.chance(0.05, "ragged"):
        place = int(w.rng.integers(len(body) // 2, len(body)))
        cut = body[place][: int(w.rng.integers(1, width))] if width > 1 else body[place]
        body = [*body[:place], cut, *body[place + 1 :]]
    return body


def _text(w, body, separator):
    stream = StringIO()
    if w.chance(0.06, "unquoted"):
        stream.writelines(separator.join(row) + "\n" for row in body)
    else:
        csv.writer(stream, delimiter=separator, lineterminator="\n").writerows(body)
    text = stream.getvalue()
    if w.chance(0.3, "CRLF"):
        text = text.replace("\n", "\r\n")
    if separator == ";" and w.chance(0.1, "sep="):
        text = f"sep=;\n{text}"
    encoding = w.one(ENCODINGS)
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        encoding = "utf-8"
        content = text.encode(encoding)
    w.traits.append(encoding)
    return content


def _workbook(w, body):
    from openpyxl import Workbook

    book = Workbook()
    if w.chance(0.3, "two sheets"):
        book.active.append(["About", "this file"])
        book.active.append(["made", "in 2020"])
        sheet = book.create_sheet("data")
    else:
        sheet = book.active
    for row in body:
        cells = []
        for text in row:
            try:
                cells.append(float(text) if "." in text else text)
            except ValueError:
                cells.append(text)
        sheet.append(cells)
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


@dataclass(frozen=True)
class Verdict:
    """What became of a file: same, refused, warned, silent, unrecognised or crashed."""

    fate: str
    words: str = ""


def judge(file: Mutated) -> Verdict:
    """Read a file, and compare each column with the clean one.

    A warning counts only where it names the column.
    """
    try:
        table = read_table(file.content, FIELDS, name=file.name, others="typed")
    except HeadwaterError as error:
        return Verdict("refused", str(error))
    except Exception as error:
        return Verdict("crashed", f"{type(error).__name__}: {error}")
    if len(table.data) != len(file.expected):
        said = sum(len(entry.rows) for entry in table.report.left_out)
        return Verdict("silent" if not said else "warned", f"{len(table.data)} rows")
    fate = Verdict("same")
    for key, true in file.expected.items():
        if key not in table.data or not _is_typed(table.data[key], true):
            fate = (
                Verdict("unrecognised", f"{key}: {file.names[key]}")
                if fate.fate == "same"
                else fate
            )
            continue
        if _equal(table.data[key], true):
            continue
        told = [text for text in table.report.guesses if file.names[key].strip() in text]
        if not told:
            return Verdict("silent", f"{key} ({file.names[key]})")
        fate = Verdict("warned", told[0])
    return fate


def _is_typed(read: pd.Series, true: pd.Series) -> bool:
    """Whether a column has become numbers or times; all empty columns have nothing to tell."""
    kind = pd.api.types.is_numeric_dtype(read) or pd.api.types.is_datetime64_any_dtype(read)
    return kind or bool(true.isna().all())


def _equal(read: pd.Series, true: pd.Series) -> bool:
    if true.isna().all():
        return bool(read.isna().all())
    if true.dtype.kind == "M":
        return bool((read.to_numpy("datetime64[us]") == true.to_numpy("datetime64[us]")).all())
    return bool(
        np.allclose(
            read.to_numpy(float), true.to_numpy(float), rtol=1e-9, atol=1e-9, equal_nan=True
        )
    )


def run(n: int, seed: int = 20261128) -> tuple[Counter, list[tuple[int, Verdict, Mutated]]]:
    """Mutate and judge `n` files."""
    fates: Counter[str] = Counter()
    shown = []
    for i in range(n):
        file = mutate(np.random.default_rng([seed, i]))
        verdict = judge(file)
        fates[verdict.fate] += 1
        if verdict.fate != "same":
            shown.append((i, verdict, file))
    return fates, shown


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    start = time.process_time()
    fates, shown = run(n)
    spent = time.process_time() - start
    for fate in ("silent", "crashed", "unrecognised", "warned", "refused"):
        some = [(i, v, f) for i, v, f in shown if v.fate == fate]
        for i, verdict, file in some[: 12 if fate in ("silent", "crashed") else 5]:
            print(fate, i, verdict.words[:200], file.traits)
    reasons = Counter(v.words.split(". Found")[0] for _, v, _ in shown if v.fate == "refused")
    print(fates, f"{spent:.0f} s", reasons.most_common(30))
    if n >= 10_000:
        _write(n, fates, reasons)


def _write(n: int, fates: Counter, reasons: Counter) -> None:
    rows = "\n".join(
        f"| {words} | {fates.get(fate, 0)} | {fates.get(fate, 0) / n:.2%} |"
        for fate, words in (
            ("same", "read, every number as in the clean table"),
            ("refused", "refused with what to do"),
            ("unrecognised", "a column kept under its own name, which the report says"),
            ("warned", "a number differs, and the report names the column and the key"),
            ("silent", "**a number differs without a warning**"),
            ("crashed", "an error that is none of ours"),
        )
    )
    why: Counter[str] = Counter()
    for words, count in reasons.items():
        why[
            "dates in two ways"
            if "several ways" in words
            else "rows of another length"
            if "another length" in words
            else "a comma in two ways"
            if "comma in" in words
            else "text where numbers belong"
            if "holds text" in words
            else "anything else"
        ] += count
    listed = "\n".join(f"- {words}: {count}" for words, count in why.most_common())
    path = Path(__file__).parents[1] / "docs" / "simulations" / "tables.md"
    path.write_text(
        f"# Tables written in {n} ways\n\nMade by `python benchmarks/table_mutations.py` "
        "(seed 20261128). One table of samples is written with other columns, names, units,\n"
        "encodings, separators, signs, dates, marks of missing values, titles, notes and broken "
        "rows, and read back with no options.\n\n| what became of it | files | share |\n|---|---|"
        f"---|\n{rows}\n\nWhy files were refused:\n\n{listed}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
