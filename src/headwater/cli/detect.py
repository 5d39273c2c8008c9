"""The command that runs the geographical detector on a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import (
    Json,
    Out,
    Reading,
    announce_reading,
    print_json,
    write_results,
)
from headwater.cli.words import say

__all__ = ["run_detect"]

Style = Literal["headwater", "gd", "sdsfun"]


def run_detect(  # noqa: PLR0913, PLR0917 - a command has the options that its users need
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
    rule: Annotated[
        list[str] | None,
        typer.Option(help="Rule that parts continuous factors: quantile, natural …; repeat."),
    ] = None,
    strata: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACTOR=RULE:COUNT",
            help="One factor's own classes, as rain=natural:6 or rain=0,100,400; repeat.",
        ),
    ] = None,
    style: Annotated[
        Style, typer.Option(help="Whose class rules: headwater, gd or sdsfun (gdverse).")
    ] = "headwater",
    weights: Annotated[
        str | None, typer.Option(help="Column with the weight of each unit, such as its area.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Further detector: gozh, lesh, shegd, shares, rgd, spade, idsa, srsgd, scale, "
            "local, shift; repeat."
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option(min=99, help="Responses made by chance, and resamples.")
    ] = 999,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 1,
    reading: Reading = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Find which factors explain a column of a table (geographical detector)."""
    with report_errors():
        import numpy as np

        from headwater.detector.detection import detect_sample
        from headwater.detector.factor_table import read_factors
        from headwater.detector.search_options import METHODS, schemes_of
        from headwater.detector.table_detection import figures_of, summary_lines, table_sample
        from headwater.tables.options import parse_options

        read = read_factors(
            table,
            y,
            x or (),
            category=category or (),
            circular=circular or (),
            coordinates=coordinates,
            reading=parse_options(reading or ()),
        )
        announce_reading(read.report, quiet=as_json)
        sample = table_sample(read.without(weights), y, coordinates=coordinates, weights=weights)
        found = detect_sample(
            sample,
            methods=tuple(rule or METHODS),
            classes=range(classes[0], classes[1] + 1),
            fixed=schemes_of(strata or ()),
            n_resamples=draws,
            rng=np.random.default_rng(seed),
            further=tuple(method or ()),
            style=style,
        )
        if as_json:
            tables = {name: one.data for name, one in found.results().items()}
            print_json({"reading": list(read.report.lines()), **tables})
        for line in () if as_json else summary_lines(found):
            typer.echo(say(line))
        drawn = figures_of(found) if out else {}
        kept = read.report.lines()
        write_results(out, found.results(), drawn, reading=kept, quiet=as_json)
