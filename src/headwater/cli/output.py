"""What a command found: tables in the terminal, CSV files and figures in a folder."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from unicodedata import east_asian_width

import typer

from headwater.cli.words import say

if TYPE_CHECKING:
    import pandas as pd

    from headwater.results import Result
    from headwater.tables.report import ReadingReport


__all__ = [
    "Json",
    "Out",
    "Reading",
    "announce_reading",
    "has_browser",
    "print_json",
    "print_table",
    "warn",
    "write_results",
]

Out = Annotated[Path | None, typer.Option(help="Folder for tables (CSV) and figures.")]
Reading = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="What the file leaves open: dates=dmy, encoding=gbk, missing=x|y; repeat.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the tables as JSON for other programs.")]
"""Options that commands which read a table and write results have alike."""
_MOST_ROWS = 60
_WIDEST = 96


def has_browser() -> bool:
    """Say whether a page can be opened here, which a server without a screen cannot."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in screens)


def print_json(value: object) -> None:
    """Print a value for other programs: what is missing or infinite as null, times as text.

    Parameters
    ----------
    value : mapping or sequence
        Of texts, numbers, tables and the like.
    """
    import json

    typer.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return _plain(value.to_dict("records"))
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def print_table(
    frame: pd.DataFrame,
    columns: Mapping[str, str] | Sequence[str],
    *,
    title: str = "",
    digits: int = 3,
) -> None:
    """Print a table, numbers to the right.

    Parameters
    ----------
    frame : DataFrame
        Flat columns.
    columns : mapping or sequence of str
        Columns to print that the table has, with other headings where given.
    title : str
        A line above.
    digits : int
        Significant digits.
    """
    from headwater.report.table import view_table

    heads = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    names = [name for name in heads if name in frame.columns]
    view = view_table(frame[names].head(_MOST_ROWS), digits)
    rows = [[cell.text for cell in row] for row in view.rows]
    numeric = [column.numeric for column in view.columns]
    shown = [say(heads[name]) for name in names]
    typer.echo("\n".join(_lines(shown, rows, numeric, say(title))))
    if len(frame) > _MOST_ROWS:
        typer.echo(say(f"… and {len(frame) - _MOST_ROWS} rows more: --out writes all of them"))


def _lines(
    heads: list[str], rows: list[list[str]], numeric: list[bool], title: str
) -> Iterable[str]:
    if title:
        yield f"\n{title}"
    if not rows:
        yield say("  none")
        return
    widths = [max(map(_cells, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = []
        for text, width, right in zip(row, widths, numeric, strict=True):
            blank = " " * (width - _cells(text))
            cells.append(blank + text if right else text + blank)
        yield f"  {'  '.join(cells)}".rstrip()


def _cells(text: str) -> int:
    """Cells of a terminal that a text fills; Chinese characters fill two each."""
    return len(text) + sum(east_asian_width(letter) in "WF" for letter in text)


def warn(sentences: Iterable[str]) -> None:
    """Print sentences that must not be missed, each once, wrapped."""
    import textwrap

    for text in dict.fromkeys(sentences):
        typer.echo(
            textwrap.fill(say(text), _WIDEST, initial_indent="! ", subsequent_indent="  "), err=True
        )


def announce_reading(report: ReadingReport, *, quiet: bool = False) -> None:
    """Print how a table was read, and warn of what was guessed.

    Parameters
    ----------
    report : ReadingReport
    quiet : bool
        Print only what was guessed.
    """
    for line in () if quiet else report.choices():
        typer.echo(say(line))
    warn(report.guesses)


def write_results(
    out: Path | None,
    results: Mapping[str, Result],
    figures: Mapping[str, Any] | None = None,
    *,
    reading: Iterable[str] = (),
    quiet: bool = False,
) -> None:
    """Write results and figures into a folder, where one was asked for.

    Parameters
    ----------
    out : Path or None
        The folder; made when it is not there.
    results : mapping of Result
        By file name.
    figures : mapping of callable, optional
        Each returns a figure; default: of every result that can draw itself.
    reading : iterable of str
        How the table was read, kept as ``reading.txt``.
    quiet : bool
        Whether nothing is printed of it.
    """
    if out is None:
        return
    from headwater.errors import ResumeError
    from headwater.figures import render
    from headwater.study import save_result

    drawn = figures
    if drawn is None:
        drawn = {n: r.plot for n, r in results.items() if r.has_own_figure}
    try:
        out.mkdir(parents=True, exist_ok=True)
        lines = list(reading)
        if lines:
            (out / "reading.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for name, result in results.items():
            save_result(out, name, result)
        for name, draw in drawn.items():
            figure = draw()
            for suffix in ("png", "svg"):
                (out / f"{name}.{suffix}").write_bytes(render(figure, suffix))
    except OSError as error:
        raise ResumeError(
            "the folder cannot be written", found=str(error), do="Choose another with --out"
        ) from error
    if not quiet:
        typer.echo("\n" + say(f"Wrote {len(results)} tables and {len(drawn)} figures to {out}"))
