"""Commands about the observation network: take in, control, show, export, and bring onto grids."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command_help import WIDTH, Commands
from headwater.cli.errors import report_errors
from headwater.cli.network_keep import (
    archive,
    existing_store,
    letters,
    recall,
    store_address,
    with_password,
)
from headwater.cli.output import print_table, warn

if TYPE_CHECKING:
    from headwater.network.ingest.mapping import Mapping
    from headwater.network.ingest.parsed_file import Refused
    from headwater.network.quality.run import Controlled
    from headwater.network.store.protocol import Store

__all__ = [
    "app",
    "backup",
    "check",
    "confirm",
    "derive",
    "export",
    "ingest",
    "init",
    "map_",
    "pixels",
    "pull",
    "restore",
    "status",
    "watch",
]

app = typer.Typer(
    cls=Commands,
    context_settings=WIDTH,
    name="network",
    help="Keep the observations of stations: take them in, control, show and export them.",
    no_args_is_help=True,
)
_Address = Annotated[
    str, typer.Option("--store", envvar="HEADWATER_STORE", help="A file, or postgresql://….")
]
_Map = Annotated[
    Path | None, typer.Option("--map", help="Mapping file: what the columns of the files mean.")
]
_Format = Annotated[
    str | None, typer.Option(help="csv, toa5, ismn, geojson; default: given by it.")
]
_Zone = Annotated[
    str | None, typer.Option(help="Zone of times without one: UTC, Asia/Shanghai, Etc/GMT-8.")
]
_NoCheck = Annotated[bool, typer.Option("--no-check", help="Leave quality control for later.")]
_DEFAULT = "network.db"
_Study = Annotated[Path, typer.Argument(help="The study file.", metavar="STUDY")]
_Of = Annotated[str, typer.Option("--of", help="soil_moisture, temperature, ….")]


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="The mapping file.")] = Path("network.toml"),
    address: _Address = _DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Make an empty store, and a mapping file in which every key is explained."""
    with report_errors():
        from headwater.network import open_store
        from headwater.network.ingest.mapping import write_template

        write_template(file, force=force)
        with open_store(store_address(address)):
            pass
        typer.echo(f"Wrote {file} and {address}. Say in the mapping what your columns mean, then:")
        typer.echo(f"headwater network ingest --map {file} FILES")


@app.command()
def ingest(
    files: Annotated[list[Path], typer.Argument(help="Files, or a download of ISMN.")],
    mapping: _Map = None,
    format: _Format = None,
    zone: _Zone = None,
    address: _Address = _DEFAULT,
    refused: Annotated[
        Path | None, typer.Option(help="Write every refused line and its reason to this CSV.")
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Write missing values too, as null.")
    ] = False,
    no_check: _NoCheck = False,
) -> None:
    """Read files and write them to the store; the same file twice changes nothing."""
    with report_errors():
        from headwater.errors import DataError, ProblemsError
        from headwater.network import open_store

        used, lost, problems = _mapping(mapping), list[Any](), list[Any]()
        spans: dict[int, tuple[int, int]] = {}
        with open_store(store_address(address)) as store:
            kept = [
                _taken(file, store, (used, format, zone, missing), lost, spans, problems)
                for file in files
            ]
            _write_refused(refused, lost)
            if not no_check and spans:
                _show_control(_controlled(store, spans))
        if problems:
            raise ProblemsError(problems)
        if not any(kept):
            raise DataError(
                "no line could be kept",
                found=str(lost[0]) if lost else "empty files",
                do="Check the mapping: its column, time format, zone and decimal sign",
            )


def _taken(
    file: Path,
    store: Store,
    how: tuple[Any, ...],
    lost: list[Refused],
    spans: dict[int, tuple[int, int]],
    problems: list[Any],
) -> int:
    """Read and write one file; one that cannot be read keeps no other from coming."""
    from headwater.errors import HeadwaterError
    from headwater.network.ingest.clocks import clock_doubts
    from headwater.network.ingest.formats import read_file
    from headwater.network.ingest.load import load_reading
    from headwater.network.store.protocol import StoreError, now

    mapping, format, zone, missing = how
    try:
        reading = read_file(file, mapping, format=format, zone=zone)
        loaded = load_reading(reading, store, missing=missing)
    except StoreError:
        raise
    except HeadwaterError as error:
        problems.append(error)
        return 0
    doubts = clock_doubts(loaded.reading, now())
    _tell_file(file.name, (*reading.report(), *doubts), loaded.written)
    lost += reading.refused
    _widen(spans, loaded.spans)
    return int(reading.kept)


def _mapping(path: Path | None) -> Mapping | None:
    from headwater.network.ingest.mapping import read_mapping

    return None if path is None else read_mapping(path)


def _tell_file(name: str, report: tuple[str, ...], written: Any) -> None:
    typer.echo(f"{name}: {report[0]}")
    for line in report[1:]:
        typer.echo(f"  {line}")
    typer.echo(
        f"  store: {written.inserted} new, {written.updated} changed, {written.unchanged} known"
    )


def _widen(spans: dict[int, tuple[int, int]], more: dict[int, tuple[int, int]]) -> None:
    for id, (first, last) in more.items():
        old = spans.get(id, (first, last))
        spans[id] = (min(old[0], first), max(old[1], last))


def _controlled(store: Store, spans: Any) -> list[Controlled]:
    from headwater.network.quality.run import control_store

    return control_store(store, spans=spans)


def _write_refused(path: Path | None, lost: list[Refused]) -> None:
    if path is None:
        return
    import csv
    import io

    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["file", "line", "reason"])
    rows.writerows([item.source, item.line, item.reason] for item in lost)
    part = path.with_name(path.name + ".part")
    part.write_text(text.getvalue(), encoding="utf-8")
    part.replace(path)
    typer.echo(f"Refused lines: {path}")


_CONTROLLED = ["station", "series", "n", "doubted", "not checked", "frozen", "findings"]


def _show_control(reported: list[Controlled]) -> None:
    import pandas as pd

    rows = [
        {
            "station": one.stream.thing,
            "series": one.stream.name,
            "n": one.n,
            "doubted": one.doubted,
            "not checked": one.unchecked,
            "frozen": one.frozen,
            "findings": ", ".join(
                f"{flag.name.lower().replace('_', ' ')} {n}"
                for flag, n in one.codes.items()
                if flag.name
            ),
        }
        for one in reported
    ]
    frame = pd.DataFrame(rows, columns=_CONTROLLED)
    print_table(frame, list(frame.columns), title="Quality control")


@app.command()
def check(address: _Address = _DEFAULT) -> None:
    """Control the quality of what has no flags yet, and show what was found."""
    with report_errors(), existing_store(address) as store:
        reported = _controlled(store, None)
        if reported:
            _show_control(reported)
        else:
            typer.echo("All observations have their flags.")


@app.command()
def confirm(
    station: Annotated[str, typer.Argument(help="Name of the station.")],
    address: _Address = _DEFAULT,
) -> None:
    """Confirm the times of a station after its logger's clock was set back, and check it anew."""
    with report_errors(), existing_store(address) as store:
        import getpass

        from headwater.network.quality.clock import confirm_clock

        spans = confirm_clock(store, station, actor=f"confirmed by {getpass.getuser()}")
        if spans:
            _show_control(_controlled(store, spans))
        else:
            typer.echo(f"Nothing of {station} follows a clock that was set back.")


@app.command()
def derive(
    address: _Address = _DEFAULT,
    offset: Annotated[
        float, typer.Option(help="Hours by which the day begins before that of UTC.")
    ] = 0.0,
    root_depth: Annotated[
        float | None, typer.Option(help="Bottom of the root zone, in m; default: deepest sensor.")
    ] = None,
) -> None:
    """Write hourly, daily and pentad means, root zone storage, network mean and stability."""
    with report_errors():
        from headwater.network.derived.write import derive as derive_all

        with existing_store(address) as store:
            reported = derive_all(store, offset=offset, root_depth=root_depth)
        new = sum(one.written.inserted + one.written.updated + one.removed for one in reported)
        values = sum(one.n for one in reported)
        typer.echo(f"{len(reported)} derived series of {values} values; {new} changed")


@app.command()
def watch(  # noqa: PLR0913, PLR0917 - a command has the options that its users need
    folder: Annotated[Path | None, typer.Argument(help="Folder that files come into.")] = None,
    broker: Annotated[str | None, typer.Option(help="mqtt://host:1883 to subscribe to.")] = None,
    mapping: _Map = None,
    zone: _Zone = None,
    address: _Address = _DEFAULT,
    pattern: Annotated[str, typer.Option(help="Names of the files.")] = "*",
    interval: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 5.0,
    control_every: Annotated[
        float, typer.Option(help="Seconds between quality controls of what has come.", min=1.0)
    ] = 300.0,
    client_id: Annotated[
        str | None, typer.Option(help="Name of the session at the broker; one for each watcher.")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", help="Rules of alerts, judged as soon as something comes."),
    ] = None,
) -> None:
    """Take in what comes into a folder, from a broker, or both, until interrupted."""
    with report_errors():
        from headwater.alerts import read_rules
        from headwater.cli.watch import run
        from headwater.errors import StudyError
        from headwater.network import open_store

        if folder is None and broker is None:
            raise StudyError("nothing to watch", do="Name a folder, or --broker mqtt://host")
        if broker is not None:
            broker = with_password(broker, None, "HEADWATER_BROKER_PASSWORD_FILE")
        with open_store(store_address(address)) as store:
            run(
                store,
                _mapping(mapping),
                folder=folder,
                broker=broker,
                client_id=client_id,
                pattern=pattern,
                zone=zone,
                interval=interval,
                control_every=control_every,
                rules=None if rules is None else read_rules(rules),
                report=typer.echo,
            )


@app.command()
def pull(
    source: Annotated[str, typer.Argument(help="Root of another server: https://host/v1.1")],
    address: _Address = _DEFAULT,
    key: Annotated[str | None, typer.Option(envvar="HEADWATER_PULL_KEY", help="Its key.")] = None,
    since: Annotated[str | None, typer.Option(help="Nothing before this time (ISO 8601).")] = None,
    things: Annotated[str | None, typer.Option(help="A $filter on its Things.")] = None,
    no_check: _NoCheck = False,
) -> None:
    """Take what another SensorThings server has and this store has not."""
    with report_errors():
        from headwater.network import open_store
        from headwater.network.ingest.sensorthings_pull import pull as pull_from

        with open_store(store_address(address)) as store:
            reported = pull_from(source, store, key=key, since=since, things=things)
            new = sum(one.written.inserted for one in reported)
            typer.echo(f"{len(reported)} series, {new} new observations")
            spans: dict[int, tuple[int, int]] = {}
            for one in reported:
                _widen(spans, one.spans or {})
            warn(f"{one.thing} / {one.name}: {one.error}" for one in reported if one.error)
            warn(str(item) for one in reported for item in one.refused[:3])
            warn(f"{one.thing} / {one.name}: {note}" for one in reported for note in one.notes)
            if not no_check and spans:
                _show_control(_controlled(store, spans))


@app.command()
def status(
    address: _Address = _DEFAULT,
    all_: Annotated[bool, typer.Option("--all", help="Derived series, too.")] = False,
) -> None:
    """Show every series: how many, since when, last heard, last value, how much is doubted."""
    with report_errors():
        from headwater.network.overview import series_status

        with existing_store(address) as store:
            frame = series_status(store, derived=all_)
            typer.echo(f"{store.count()} observations of {len(frame)} series in {store.address}")
        heads = {
            "station": "station",
            "series": "series",
            "n": "n",
            "first": "first",
            "last": "last",
            "value": "value",
            "unit": "unit",
            "flag": "flag",
            "state": "state",
            "battery_days": "battery [d]",
        }
        # a shared number of decimals would round soil moisture to that of temperatures
        values = [f"{value:.4g}" if math.isfinite(value) else "" for value in frame["value"]]
        print_table(frame.assign(value=values), heads, title="Series")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file to write.")],
    address: _Address = _DEFAULT,
    station: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    quantity: Annotated[
        list[str] | None, typer.Option("--property", help="soil_moisture, …; may be repeated.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="ISO 8601 with a zone.")] = None,
    end: Annotated[str | None, typer.Option(help="ISO 8601 with a zone; not included.")] = None,
    good: Annotated[
        bool, typer.Option("--good", help="Leave out what is doubted or not checked.")
    ] = False,
    derived: Annotated[bool, typer.Option("--derived", help="Derived series, too.")] = False,
    ismn: Annotated[
        bool, typer.Option("--ismn", help="Flags by the rules of the ISMN, too (hourly values).")
    ] = False,
) -> None:
    """Write observations to a table: one row each, with unit, flag and reasons."""
    with report_errors():
        from headwater.network.overview import write_export
        from headwater.network.times import microseconds

        first, last = (None if text is None else microseconds(text) for text in (start, end))
        with existing_store(address) as store:
            n = write_export(
                store,
                file,
                stations=station,
                quantities=quantity,
                start=first,
                end=last,
                good=good,
                derived=derived,
                ismn=ismn,
            )
        typer.echo(f"Wrote {n} observations to {file}")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Folder to make; must not exist.")],
    address: _Address = _DEFAULT,
) -> None:
    """Copy the store, while it is in use, into a folder with a manifest of hashes."""
    with report_errors():
        from headwater.network.store.backup import back_up

        with existing_store(address) as store:
            made = back_up(store, folder)
        typer.echo(f"{made.observations} observations in {len(made.files)} files: {folder}")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A backup.")], address: _Address = _DEFAULT
) -> None:
    """Make a store of a backup, where there is none yet; every file is checked first."""
    with report_errors():
        from headwater.network.store.backup import restore as make

        typer.echo(f"{make(folder, address)} observations in {address}")


app.command()(archive)


app.command()(recall)


app.command()(letters)


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


app.command("map")(map_)
app.command()(pixels)
