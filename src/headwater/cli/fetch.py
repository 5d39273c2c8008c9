"""The commands that get published data: from a STAC catalogue, by address, or out of a cube."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command_help import WIDTH, Commands
from headwater.cli.errors import report_errors

if TYPE_CHECKING:
    from headwater.study.fetching import Fetched

__all__ = ["app", "cut_cube", "fetch_files", "fetch_stac"]

app = typer.Typer(
    cls=Commands,
    context_settings=WIDTH,
    help="Get published data: a token goes into HEADWATER_FETCH_TOKEN.",
    no_args_is_help=True,
)

_Out = Annotated[Path, typer.Option(help="Folder of the files.")]
_Box = Annotated[
    tuple[float, float, float, float], typer.Option(help="West, south, east, north [degree].")
]
_Start = Annotated[str | None, typer.Option(help="First day, as 2017-01-01.")]
_End = Annotated[str | None, typer.Option(help="Last day.")]


def _period(start: str | None, end: str | None) -> tuple[str, str] | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        from headwater.errors import StudyError

        raise StudyError("a period has two ends", found="one", do="Give --start and --end")
    return start, end


def _say(found: Sequence[Fetched], out: Path) -> None:
    size = sum(one.bytes for one in found) / 1e6
    typer.echo(f"{len(found)} files, {size:.1f} MB, in {out}; checksums in {out}/fetched.json")


@app.command("files")
def fetch_files(urls: list[str], out: _Out = Path("data")) -> None:
    """Download files by their addresses; the same command again goes on where it stopped."""
    with report_errors():
        from headwater.study.fetching import fetch_file, sources_of

        out.mkdir(parents=True, exist_ok=True)
        _say([fetch_file(source, out) for source in sources_of(urls)], out)


@app.command("stac")
def fetch_stac(
    catalogue: Annotated[str, typer.Argument(help="Address of a STAC API.")],
    collection: Annotated[str, typer.Argument(help="Identifier of the collection.")],
    *,
    asset: Annotated[str, typer.Option(help="Asset of each item.")],
    bbox: _Box,
    start: _Start = None,
    end: _End = None,
    crop: Annotated[bool, typer.Option("--crop", help="Cut GeoTIFF to the area.")] = False,
    out: _Out = Path("data"),
) -> None:
    """Get the files of a STAC collection in an area and a period."""
    with report_errors():
        from headwater.study.fetching import crop_raster, fetch_file, search_stac

        period = _period(start, end)
        out.mkdir(parents=True, exist_ok=True)
        sources = search_stac(catalogue, collection, asset, box=bbox, period=period)
        found = []
        for count, source in enumerate(sources, start=1):
            one = (
                crop_raster(source, out, box=bbox)
                if crop
                else fetch_file(source, out, trusted=catalogue)
            )
            found.append(one)
            typer.echo(f"{count} of {len(sources)}: {one.name}", err=True)
        _say(found, out)


@app.command("cube")
def cut_cube(
    url: Annotated[str, typer.Argument(help="A Zarr store or NetCDF file on a server.")],
    *,
    variable: Annotated[str, typer.Option(help="Its name there.")],
    bbox: _Box,
    start: _Start = None,
    end: _End = None,
    out: _Out = Path("data"),
) -> None:
    """Cut an area and a period out of a cube on a server, one NetCDF file a year."""
    with report_errors():
        from headwater.study.fetching import fetch_cube

        out.mkdir(parents=True, exist_ok=True)
        found = fetch_cube(
            url,
            variable,
            out,
            box=bbox,
            period=_period(start, end),
            progress=lambda name: typer.echo(name, err=True),
        )
        _say(found, out)
