"""Commands that bring stations and grids together: maps of the network, cells next to stations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import print_table, warn

__all__ = ["map_", "pixels"]

_Study = Annotated[Path, typer.Argument(help="The study file.", metavar="STUDY")]
_Of = Annotated[str, typer.Option("--of", help="soil_moisture, temperature, ….")]
_Address = Annotated[
    str, typer.Option("--store", envvar="HEADWATER_STORE", help="A file, or postgresql://….")
]


def map_(
    study: _Study,
    of: _Of = "soil_moisture",
    depth: Annotated[
        float | None, typer.Option(help="In m; default: the shallowest sensor of each station.")
    ] = None,
    day: Annotated[str | None, typer.Option(help="One day: 2021-07-01.")] = None,
    period: Annotated[
        tuple[str, str] | None, typer.Option(help="First and last day: 2021-07-01 2021-07-31.")
    ] = None,
    step: Annotated[
        str, typer.Option(help="A map for each day, each pentad, or one of the whole period.")
    ] = "day",
    offset: Annotated[
        float, typer.Option(help="Hours by which the day begins before that of UTC.")
    ] = 0.0,
    address: _Address = "network.db",
    out: Annotated[
        Path | None, typer.Option(help="Folder; default: network-maps next to the study file.")
    ] = None,
) -> None:
    """Krige what the stations observed to the study grid: value, standard error, stations."""
    with report_errors():
        from headwater.chapters.network.maps import MapRequest, map_network, write_network_map
        from headwater.errors import StudyError
        from headwater.network import open_store
        from headwater.study import read_study

        if (day is None) == (period is None):
            do = "Give --day 2021-07-01, or --period 2021-07-01 2021-07-31"
            raise StudyError("a map needs a day or a period", do=do)
        first, last = (day, day) if period is None else period
        request = MapRequest(of, first or "", last or "", depth, step, offset)  # type: ignore[arg-type]
        known = read_study(study)
        with open_store(address) as store:
            found = map_network(known, store, request)
        folder = out or known.file.parent / "network-maps"
        files = write_network_map(folder, request.name, found)
        maps = int((found.data[of].count(("y", "x")) > 0).sum())
        typer.echo(
            f"{maps} of {found.data.sizes['time']} maps from {found.data.sizes['station']}"
            f" places in {folder}:"
        )
        for file in files:
            typer.echo(f"  {file.name}")
        warn(found.cautions)


def pixels(
    study: _Study,
    of: _Of = "soil_moisture",
    every: Annotated[
        int | None,
        typer.Option(
            help="Make virtual stations instead: one every so many cells in both directions.",
            min=1,
        ),
    ] = None,
    address: _Address = "network.db",
) -> None:
    """Put the cells of a study's cube next to the stations, as series of the same store."""
    with report_errors():
        from headwater.chapters.network.cells import write_pixels
        from headwater.network import open_store
        from headwater.study import read_study

        with open_store(address) as store:
            found = write_pixels(read_study(study), store, of, every=every)
        print_table(found.table, list(found.table.columns), title=f"Cells of {found.cube}")
        warn(found.cautions)
