"""``headwater watch`` and ``headwater hindcast``: alerts from what comes in, and from the past."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from headwater.alerts.rules import Rules
    from headwater.chapters.warning.options import StationWarningOptions, WarningOptions
    from headwater.chapters.warning.standing import Standing
    from headwater.network.store.protocol import Store
    from headwater.results import Result
    from headwater.study.model import Study

__all__ = [
    "run_hindcast",
    "run_watch",
]

_ALERTS = ("alert", "state", "cells", "area", "first_watch", "confirmed", "loss", "p")
_SCORES = ("regime", "rung", "group", "n_events", "hit", "late", "miss", "n_quiet", "false_share")
_DELAYS = ("delay_median", "delay_p90")


def run_watch(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Study files, and mappings of networks, with a table [warning]."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="New rasters: a folder for each input, as in incoming/ndvi/*.tif."),
    ] = None,
    store: Annotated[
        str, typer.Option(envvar="HEADWATER_STORE", help="SQLite file, or postgresql://…")
    ] = "network.db",
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Rules file with channels; default: inbox alone.")
    ] = None,
    every: Annotated[
        float | None, typer.Option(help="Go on, every so many seconds; default: once.", min=1)
    ] = None,
    day: Annotated[
        str | None, typer.Option("--day", metavar="DATE", help="As if today were this day.")
    ] = None,
) -> None:
    """Take new rasters and observations in, raise and resolve alerts, and send what is due."""
    with report_errors():
        import threading

        from headwater.alerts import read_rules
        from headwater.alerts.rules import Rules
        from headwater.cli.alerts import warn_of_unwatched
        from headwater.cli.network_keep import store_address
        from headwater.network import open_store

        wanted = Rules() if rules is None else read_rules(rules)
        looks = [_look_of(file, folder, wanted) for file in files or [Path("study.toml")]]
        stop = threading.Event()
        with open_store(store_address(store)) as opened, _stopped_by_signals(stop):
            warn_of_unwatched(opened, wanted)
            while True:
                this = _Round(opened, wanted, *_today(day))
                for look in looks:
                    look(this)
                _send(this)
                if every is None or stop.wait(every):
                    return


@dataclass(frozen=True, slots=True)
class _Round:
    """One round: where alerts go, and what day [µs where it is not the clock's] it is."""

    store: Store
    rules: Rules
    today: np.datetime64
    now: int | None


_Look = Callable[[_Round], None]


def _stopped_by_signals(stop: Any) -> Any:
    """Let SIGTERM end the round that is under way, and no more begin."""
    import signal
    from contextlib import contextmanager

    @contextmanager
    def held() -> Any:
        before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
        try:
            yield
        except KeyboardInterrupt:
            typer.echo("Stopping", err=True)
        finally:
            signal.signal(signal.SIGTERM, before)

    return held()


def _today(day: str | None) -> tuple[np.datetime64, int | None]:
    """Give the day, and the time [µs] where it is not the clock's."""
    import datetime as dt

    import numpy as np

    from headwater.errors import StudyError

    if day is None:
        return np.datetime64(dt.datetime.now(dt.UTC).date(), "D"), None
    try:
        found = np.datetime64(dt.date.fromisoformat(day), "D")
    except ValueError as error:
        raise StudyError("no such day", found=f"'{day}'", do="Write 2027-07-01") from error
    return found, int(found.astype("datetime64[us]").astype(np.int64)) + 12 * 3_600_000_000


def _look_of(file: Path, folder: Path | None, rules: Rules) -> _Look:
    """Distinguish a study file from a mapping by its tables."""
    import tomllib

    from headwater.errors import InputError, StudyError

    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"cannot read {file}", found=str(error.strerror), do="Check the path"
        ) from error
    except ValueError as error:
        raise StudyError(f"{file} is not TOML", found=str(error), do="Correct it") from error
    for name in tables.get("warning", {}).get("channels", ()):
        rules.channel(str(name))  # an unknown one is an error before anything is computed
    return _grids(file, folder) if "study" in tables else _stations(file)


def _grids(file: Path, folder: Path | None) -> _Look:
    from headwater.chapters import STEPS
    from headwater.chapters.warning.study_watch import keep_look, look_at_study
    from headwater.study import read_study
    from headwater.study.folder import held

    study = read_study(file, STEPS)

    def look(this: _Round) -> None:
        study.results.mkdir(parents=True, exist_ok=True)
        with held(study.results):
            found = look_at_study(
                study, folder, this.today, progress=lambda line: typer.echo(line, err=True)
            )
            for problem in found.problems:
                typer.echo(f"left out: {problem}", err=True)
            typer.echo(f"{file.name}: {_words(found.how, found.n_days)}")
            channels = () if study.warning is None else study.warning.channels
            _post(this, _rule_name(file), found.standing, channels, found.ended)
            # kept last: whoever dies before comes to the same alerts again, and posts none twice
            keep_look(study, found)

    return look


def _words(how: str, n_days: int) -> str:
    came = f"{n_days} days of rasters came" if n_days else "no new raster"
    return came if how in ("on", "nothing new") else f"{came}; {how}"


def _stations(file: Path) -> _Look:
    from headwater.chapters.warning.station_days import held_watch
    from headwater.chapters.warning.stations import station_options
    from headwater.errors import StudyError
    from headwater.network.ingest.mapping import read_mapping

    table = read_mapping(file).warning
    if table is None:
        raise StudyError(
            f"{file.name} asks for no early warning",
            found="no table [warning]",
            do="Add [warning], and see docs/warning.md for its keys",
        )
    options = station_options(table, file.name)

    def look(this: _Round) -> None:
        with held_watch(file.with_suffix(".watch")):
            _look_at_stations(this, file, options)

    return look


def _look_at_stations(this: _Round, file: Path, options: StationWarningOptions) -> None:
    """Take what the store has changed in, and post what stands."""
    import numpy as np

    from headwater.chapters.warning.station_days import (
        days_arrived,
        load_watch,
        read_days,
        save_watch,
    )
    from headwater.chapters.warning.stations import follow_stations, station_standings

    home, address = file.with_suffix(".watch"), this.store.address
    known = load_watch(home, address, this.today, options)
    days = read_days(this.store, options, known.days)
    for problem in days.problems.values():
        typer.echo(f"left out: {problem}", err=True)
    series = days.by_station()
    arrived = None if known.days is None else days_arrived(known.days.by_station(), series)
    rng = np.random.default_rng(0)  # thresholds are the same each time
    state = follow_stations(series, options, this.today, known.state, arrived, rng=rng)
    standing = list(station_standings(series, options, this.today, state))
    typer.echo(f"{file.name}: {len(series.stations)} stations, {len(standing)} in alert")
    unknown = dict.fromkeys(days.unknown, "unknown")  # what cannot be seen has not ended
    _post(this, _rule_name(file), standing, options.channels, unknown)
    # kept last: whoever dies before comes to the same alerts again, and posts none twice
    save_watch(home, address, this.today, days, state)


def _rule_name(file: Path) -> str:
    import re

    return "watch-" + (re.sub(r"[^A-Za-z0-9_.-]", "-", file.resolve().parent.name) or "study")


def _post(
    this: _Round,
    name: str,
    standing: Iterable[Standing],
    channels: Iterable[str],
    ended: dict[str, str],
) -> None:
    from headwater.alerts.standing import Condition, post_standing

    conditions = [
        Condition(one.target, one.rung, one.severity, one.headline, one.headline_zh, one.detail)
        for one in standing
    ]
    posted = post_standing(
        this.store, name, conditions, this.rules, channels=channels, ended=ended, now=this.now
    )
    for change in posted:
        typer.echo(f"{change.kind}: {change.headline} [{change.key}]")


def _send(this: _Round) -> None:
    """Take rules over stations in as well, and send what is due."""
    import numpy as np

    from headwater.alerts import deliver
    from headwater.alerts.channels import sender
    from headwater.alerts.outbox import release_lease, this_sender
    from headwater.cli.alerts import judge, show_delivery

    judge(this.store, this.rules, typer.echo, now=this.now)
    owner = this_sender()
    done = deliver(this.store, sender(this.rules), owner=owner, rng=np.random.default_rng())
    show_delivery(this.store, done)
    release_lease(this.store, owner)


def run_hindcast(
    file: Annotated[Path, typer.Argument(help="The study file.", show_default=True)] = Path(
        "study.toml"
    ),
    watch_from: Annotated[
        str | None,
        typer.Option(
            "--from", help="First day watched; the history lies before. Default: as in [warning]."
        ),
    ] = None,
    false_alarms: Annotated[
        float | None, typer.Option(help="Tolerated false alarms per cell and season.")
    ] = None,
    cells: Annotated[
        int, typer.Option(help="Cells on whose history losses are planted.", min=20)
    ] = 1000,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the tables and maps; default: results/hindcast.")
    ] = None,
) -> None:
    """Replay the archive of a study: what would have been warned, when, and how often wrongly."""
    with report_errors() as place:
        from headwater.chapters import STEPS
        from headwater.study import read_study

        study = read_study(file, STEPS)
        place.append(study.results)
        found = _replayed(study, _options(study, watch_from, false_alarms, cells))
        home = out or study.results / "hindcast"
        _save(found, home)
        _show(found)
        typer.echo(f"Tables and maps: {home}")


def _options(
    study: Study, watch_from: str | None, false_alarms: float | None, cells: int
) -> WarningOptions:
    """Take what the study says, with what the command line says otherwise."""
    from pydantic import ValidationError

    from headwater.chapters.warning.options import WarningOptions
    from headwater.errors import StudyError

    given = {} if study.warning is None else study.warning.model_dump()
    flags = {"watch_from": watch_from, "false_alarms": false_alarms, "rehearsals": cells}
    try:
        return WarningOptions(**given | {name: v for name, v in flags.items() if v is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise StudyError(
            f"{first['loc'][-1]} cannot be so", found=str(first["input"]), do=first["msg"]
        ) from error


def _replayed(study: Study, options: WarningOptions) -> Mapping[str, Result]:
    import numpy as np

    from headwater.chapters.warning.series import named
    from headwater.chapters.warning.step import watch_results
    from headwater.cli.study_run import progress_of, settings_of
    from headwater.errors import ResumeError
    from headwater.study.inputs import read_study_area
    from headwater.study.step import Context

    green, _ = named(study, options)
    if not (study.results / "grids" / f"{green}.zarr").exists():
        raise ResumeError(
            "the study's grids have not been computed",
            found=f"no {study.results / 'grids' / f'{green}.zarr'}",
            do=f"Compute them with: headwater run {study.file} --until grids",
        )
    with progress_of({"hindcast": "Replay the archive"}) as progress:
        context = Context(
            study=study,
            settings=settings_of(study),
            folder=study.results,
            results=study.results,
            area=read_study_area(study),
            rng=np.random.default_rng([study.seed, 16]),
            progress=lambda fraction, what: progress("hindcast", fraction, what),
        )
        found = watch_results(context, options)
        progress("hindcast", 1.0, "done")
    return found


def _save(found: Mapping[str, Result], home: Path) -> None:
    from headwater.errors import ResumeError
    from headwater.study.results_io import save_result

    try:
        home.mkdir(parents=True, exist_ok=True)
        for name, result in found.items():
            save_result(home, name, result)
    except OSError as error:
        raise ResumeError(
            "the folder cannot be written", found=str(error), do="Choose another with --out"
        ) from error


def _show(found: Mapping[str, Result]) -> None:
    from headwater.chapters.warning.section import make_section

    for line in make_section(found, None).headline:
        typer.echo(line)
    alerts = found["alerts"].data
    if len(alerts):
        print_table(alerts, _ALERTS, title="Alerts")
    if "rehearsal" in found:
        table = found["rehearsal"].data
        print_table(table, (*_SCORES, *_DELAYS), title="Planted losses (delays in days)")
        for caution in found["rehearsal"].cautions:
            typer.echo(caution)
    if "run-length" in found:
        row = found["run-length"].data.iloc[0]
        typer.echo(
            f"Seasons between false alarms of a cell, on {int(row['years'])} years of its own "
            f"resampled history: {row['seasons_between_false_alarms']:.0f} "
            f"({row['low']:.0f} to {row['high']:.0f}; asked for {row['asked']:.0f})"
        )
