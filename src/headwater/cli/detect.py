"""The command that runs the geographical detector on a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import warn, write_results

__all__ = ["detect"]


def detect(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or XLSX, one row for each unit.")],
    y: Annotated[str, typer.Option("--y", help="Column to be explained.")],
    x: Annotated[
        list[str] | None,
        typer.Option("--x", help="Factor; repeat for each. Default: all columns that can be."),
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Factor that is a class, whatever its numbers.")
    ] = None,
    circular: Annotated[
        list[str] | None, typer.Option(help="Factor that is a direction [degree].")
    ] = None,
    coordinates: Annotated[
        tuple[str, str] | None, typer.Option(help="Columns with longitude and latitude.")
    ] = None,
    classes: Annotated[tuple[int, int], typer.Option(help="Fewest and most classes to try.")] = (
        3,
        8,
    ),
    reading: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="What the file leaves open: dates=dmy, encoding=gbk, missing=x|y; repeat.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables (CSV) and figures.")] = None,
) -> None:
    """Tell which factors explain a column of a table (geographical detector)."""
    with report_errors():
        from headwater.detector import from_table
        from headwater.detector.factor_table import read_factors
        from headwater.detector.from_table import figures_of, summary_lines
        from headwater.tables import parse_options

        read = read_factors(
            table,
            y,
            x or (),
            category=category or (),
            circular=circular or (),
            coordinates=coordinates,
            reading=parse_options(reading or ()),
        )
        for line in read.report.choices():
            typer.echo(line)
        warn(read.report.guesses)
        found = from_table(read, y, coordinates=coordinates, classes=classes)
        for line in summary_lines(found):
            typer.echo(line)
        write_results(out, found.results(), figures_of(found) if out else {})
