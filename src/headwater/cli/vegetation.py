"""The command that describes the vegetation of single places from a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import (
    Json,
    Out,
    Reading,
    announce_reading,
    print_json,
    print_table,
    warn,
    write_results,
)

if TYPE_CHECKING:
    from headwater.chapters.vegetation.options import VegetationOptions
    from headwater.results import Result

__all__ = ["run_vegetation"]

_ENDS = {"bare": "bare", "bare_sd": "± sd", "full": "full", "full_sd": "sd (full)", "n": "n"}
_SEASONS = {
    "zone": "place",
    "year": "year",
    "start": "start",
    "start_sd": "± sd",
    "peak": "peak",
    "end": "end",
    "end_sd": "sd (end)",
    "amplitude": "amplitude",
    "n": "n",
    "reason": "why none",
}
_RESPONSE = {
    "place": "place",
    "form": "form",
    "share": "share",
    "share_low": "low",
    "share_high": "high",
    "memory": "memory [d]",
    "n": "n",
    "years": "years",
    "reason": "why none",
}
_GRADE = {
    "place": "place",
    "baseline": "baseline",
    "recent": "recent",
    "damage": "damage [%]",
    "damage_low": "low",
    "damage_high": "high",
    "grade": "grade",
    "probability": "its probability",
    "certain": "certain",
    "reason": "why none",
}


def run_vegetation(  # noqa: PLR0913, PLR0917 - a command has the options that its users need
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV or XLSX with dates, NDVI or cover, and where there are some the places "
            "and soil moisture: one row for each date, or each place and date."
        ),
    ],
    ndvi: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="NDVI, where the name is not known.")
    ] = None,
    cover: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Cover, in place of NDVI.")
    ] = None,
    water: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Soil moisture, likewise.")
    ] = None,
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="Dates, likewise.")] = None,
    place: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Places; without, it is one series.")
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Factor to NDVI of -1 to 1; 0.0001 for products of 0-10000.")
    ] = 1.0,
    end_values: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="BARE FULL",
            help="NDVI of bare ground and of full cover; default: quantiles of the table.",
        ),
    ] = None,
    power: Annotated[
        float, typer.Option(help="Of the dimidiate pixel model; 2 comes nearer to plots on steppe.")
    ] = 1.0,
    threshold: Annotated[
        float, typer.Option(help="Share of the amplitude at which a season starts and ends.")
    ] = 0.25,
    month: Annotated[
        list[int] | None,
        typer.Option(help="Month of the growing season; repeat. Default: 5 to 10."),
    ] = None,
    peak_month: Annotated[
        list[int] | None,
        typer.Option(help="Month of the peak; repeat. Default: the greenest two."),
    ] = None,
    baseline: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="FIRST LAST", help="Years of the baseline; default: first half of the record."
        ),
    ] = None,
    recent: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="FIRST LAST", help="Years that are graded; default: the last two or three."
        ),
    ] = None,
    profile: Annotated[
        str, typer.Option(help="Degradation grades: a profile's name, or your YAML file.")
    ] = "gb19377-cover",
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.", min=0)] = 1,
    reading: Reading = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Describe vegetation from a table: cover, seasons, response to soil water, degradation."""
    with report_errors():
        import numpy as np

        from headwater.chapters.vegetation.places import describe_places
        from headwater.chapters.vegetation.table import read_greenness
        from headwater.tables.options import parse_options

        names = {"ndvi": ndvi, "cover": cover, "soil_moisture": water, "time": time}
        names |= {"station": place}
        options = _options(
            {
                "end_values": None if end_values is None else {"0": end_values},
                "power": power,
                "threshold": threshold,
                "months": tuple(month or ()) or None,
                "peak_months": tuple(peak_month or ()) or None,
                "baseline": baseline,
                "recent": recent,
                "profile": profile,
            }
        )
        read = read_greenness(
            table,
            columns={name: column for name, column in names.items() if column},
            scale=scale,
            reading=parse_options(reading or ()),
        )
        announce_reading(read.report, quiet=as_json)
        found = describe_places(read, options, rng=np.random.default_rng(seed))
        kept = read.report.lines()
        if as_json:
            tables = {name: one.data for name, one in found.items()}
            print_json({"reading": list(kept), **tables})
        else:
            _show(found)
        write_results(out, found, _figures(found), reading=kept, quiet=as_json)
        warn(dict.fromkeys(text for one in found.values() for text in one.cautions))


def _options(given: Mapping[str, object]) -> VegetationOptions:
    """Check the options as a study file's are."""
    from pydantic import ValidationError

    from headwater.chapters.vegetation.options import VegetationOptions
    from headwater.errors import HeadwaterError, StudyError

    try:
        return VegetationOptions.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, HeadwaterError):
            raise cause from error
        raise StudyError(
            f"{first['loc'][0]} cannot be so", found=str(first["input"]), do=first["msg"]
        ) from error


def _show(found: Mapping[str, Result]) -> None:
    if "end-values" in found:
        ends = found["end-values"]
        print_table(ends.data, _ENDS, title=ends.method)
    print_table(found["seasons"].data, _SEASONS, title="Seasons [day of year]")
    if "response" in found:
        title = "Share of cover anomalies that soil water explains (95 %)"
        print_table(found["response"].data, _RESPONSE, title=title)
    grades = found["grade"].data
    chances = [row.get(f"p_{row['grade']}", float("nan")) for row in grades.to_dict("records")]
    title = found["grade"].method
    print_table(grades.assign(probability=chances), _GRADE, title=title)
    if len(found["notes"].data):
        print_table(found["notes"].data, ("what", "count", "of"), title="Left out")


def _figures(found: Mapping[str, Result]) -> dict[str, object]:
    """Name what is drawn: results with a figure of their own that have something to show."""
    shown = {"cover": "smooth", "seasons": "start", "curves": "cover", "grade": "damage"}
    return {
        name: found[name].plot
        for name, column in shown.items()
        if name in found and found[name].data[column].notna().any()
    }
