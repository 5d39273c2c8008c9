"""``headwater plan``: make a plan of restoration, and take it from draft to evaluated."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command_help import WIDTH, Commands
from headwater.cli.errors import report_errors

if TYPE_CHECKING:
    from headwater.restoration.plan import Plan
    from headwater.restoration.units import UnitRecord

__all__ = [
    "app",
    "approve",
    "decline",
    "done",
    "draft",
    "evaluate",
    "export",
    "list_",
    "make",
    "propose",
    "remind",
    "show",
]

app = typer.Typer(
    cls=Commands,
    context_settings=WIDTH,
    name="plan",
    help="Plan restoration: who does what, where and by when, from draft to evaluated.",
    no_args_is_help=True,
)

_Plan = Annotated[
    Path, typer.Option("--plan", envvar="HEADWATER_PLAN", help="The plan file (GeoJSON).")
]
_Units = Annotated[list[str], typer.Argument(help="Names of units.")]
_By = Annotated[str, typer.Option("--by", help="Who does it.")]
_Comment = Annotated[str, typer.Option("--comment", help="Why; kept in the trail.")]
_FILE = Path("plan.geojson")


@app.command()
def make(
    source: Annotated[
        Path,
        typer.Argument(help="Study file; or units: map (GeoPackage, …) or table."),
    ] = Path("study.toml"),
    plan: _Plan = _FILE,
    year: Annotated[
        int | None, typer.Option(help="Season of a plan from units alone; default: the next.")
    ] = None,
    measures: Annotated[
        Path | None, typer.Option(help="Profile of measures (YAML), for units alone.")
    ] = None,
    name: Annotated[str, typer.Option(help="Attribute or column that names the units.")] = "name",
    alerts: Annotated[
        str | None,
        typer.Option(help="Store whose open alerts stand with the units around their stations."),
    ] = None,
) -> None:
    """Make a plan, or take new advice into the one that there is; what people moved is kept."""
    with report_errors():
        import datetime as dt

        from headwater.restoration import load_plan, make_plan, read_profile, read_units
        from headwater.restoration.plan_store import locked, merge_plan, save_plan
        from headwater.restoration.units import unit_of

        now = dt.datetime.now().astimezone()
        if source.suffix == ".toml":
            new = _of_study(source)
        else:
            records = read_units(source, name=name)
            warned = {} if alerts is None else _alerts_of(records, alerts)
            units = [unit_of(one, {"alert": warned.get(one.name, "")}) for one in records]
            new = make_plan(units, read_profile(measures), year=year or now.year + 1)
        with locked(plan):
            old = load_plan(plan) if plan.exists() else None
            whole = merge_plan(old, new, time=now.isoformat(timespec="seconds"))
            save_plan(whole, plan)
        moved = sum(bool(line.history) for line in whole.lines)
        kept = f", {moved} as people left them" if moved else ""
        typer.echo(f"Wrote {plan}: {len(whole.lines)} units{kept}. Next: headwater plan list")


def _alerts_of(records: tuple[UnitRecord, ...], store: str) -> dict[str, str]:
    """Name the open alerts of the stations that lie in each unit."""
    import shapely

    from headwater.alerts.places import places_of_alerts
    from headwater.cli.network_keep import store_address
    from headwater.network import open_store

    with open_store(store_address(store)) as opened:
        places = places_of_alerts(opened)
    found: dict[str, str] = {}
    for unit in records:
        words = [
            f"{place.station}: {place.headline}"
            for place in places
            if unit.outline is not None
            and unit.outline.covers(shapely.Point(place.longitude, place.latitude))
        ]
        if words:
            found[unit.name] = ", ".join(dict.fromkeys(words))
    return found


def _of_study(file: Path) -> Plan:
    from headwater.errors import ResumeError
    from headwater.restoration import load_plan
    from headwater.study import read_study
    from headwater.study.folder import finished_steps

    study = read_study(file)
    if "restoration" not in finished_steps(study.results):
        raise ResumeError(
            "the study has no results of [restoration]",
            found=str(study.results),
            do=f"Add the table, and compute it with: headwater run {file}",
        )
    return load_plan(study.results / "restoration" / "plan.geojson")


@app.command("list")
def list_(
    plan: _Plan = _FILE,
    state: Annotated[str | None, typer.Option(help="Only lines in this state.")] = None,
) -> None:
    """List the units of a plan, the most urgent first."""
    with report_errors():
        import pandas as pd

        from headwater.cli.output import print_table
        from headwater.errors import StudyError, nearest
        from headwater.restoration import load_plan
        from headwater.restoration.plan import STATES, day_text

        if state is not None and state not in STATES:
            raise StudyError("no such state", found=f"'{state}'", do=nearest(state, STATES))
        whole = load_plan(plan)
        rows = []
        for line in whole.lines:
            if state in (None, line.state):
                days = [w.latest_beginning for w in line.works]
                first = min((day for day in days if math.isfinite(day)), default=float("nan"))
                rows.append(
                    {
                        "name": line.unit.name,
                        "state": line.state,
                        "grade": line.unit.site.grade,
                        "priority": line.priority,
                        "begin by": day_text(whole.year, first),
                        "visit first": "yes" if line.advice.field_visit_first else "",
                    }
                )
        columns = ["name", "state", "grade", "priority", "begin by", "visit first"]
        print_table(pd.DataFrame(rows, columns=columns), columns, title=f"Plan for {whole.year}")


@app.command()
def show(unit: Annotated[str, typer.Argument(help="Its name.")], plan: _Plan = _FILE) -> None:
    """Show all of a unit: measures, dates, reasons, what is refused, water, and its trail."""
    with report_errors():
        from headwater.restoration import load_plan
        from headwater.restoration.measures import amount_words
        from headwater.restoration.plan import day_text, earthwork_text, water_check

        whole = load_plan(plan)
        line = whole.line(unit)
        site = line.unit.site
        typer.echo(
            f"{unit}: {line.state}, grade {site.grade} ({line.advice.confidence:.0%}), "
            f"{line.unit.hectares:.0f} ha, {site.elevation:.0f} m, slope {site.slope:.0f}°"
        )
        for work in line.works:
            text = whole.text(work.measure)
            dates = [day_text(whole.year, day) for day in (work.opens, work.deadline)]
            begin = day_text(whole.year, work.latest_beginning)
            when = f" {dates[0]} to {dates[1]}, begin by {begin}" if dates[1] else ""
            typer.echo(f"  {text['en']}{when}")
            typer.echo(f"    source: {text['source']} ({text['mark']})")
            yours = amount_words(work.measure, line.unit.amounts, deadline=dates[1])
            if yours:
                typer.echo(f"    yours: {yours}")
            if work.design is not None:
                typer.echo(f"    {earthwork_text(work.design)}")
            if not work.enough:
                typer.echo("    ! does not fit between opening and deadline in every year")
        for measure, why in line.advice.refused:
            typer.echo(f"  refused: {whole.text(measure)['en']}: {why}")
        for reason in (*line.advice.reasons, water_check(line)):
            typer.echo(f"  because: {reason}")
        if line.advice.field_visit_first:
            typer.echo("  a field visit must come first")
        for time, person, state, comment in line.history:
            typer.echo(f"  {time} {person}: {state}{': ' + comment if comment else ''}")


@app.command()
def propose(units: _Units, by: _By, comment: _Comment = "", plan: _Plan = _FILE) -> None:
    """Propose drafts for approval."""
    _move(plan, units, "proposed", by, comment)


@app.command()
def approve(units: _Units, by: _By, comment: _Comment = "", plan: _Plan = _FILE) -> None:
    """Approve what is proposed; where a field visit must come first, say what it found."""
    _move(plan, units, "approved", by, comment)


@app.command()
def decline(units: _Units, by: _By, comment: _Comment, plan: _Plan = _FILE) -> None:
    """Decline what is proposed or approved, with a reason."""
    _move(plan, units, "declined", by, comment)


@app.command()
def draft(units: _Units, by: _By, comment: _Comment = "", plan: _Plan = _FILE) -> None:
    """Take what is proposed or declined back to a draft."""
    _move(plan, units, "draft", by, comment)


@app.command()
def done(units: _Units, by: _By, comment: _Comment = "", plan: _Plan = _FILE) -> None:
    """Say that approved work is done."""
    _move(plan, units, "done", by, comment)


def _move(plan: Path, units: list[str], state: str, by: str, comment: str) -> None:
    with report_errors():
        from headwater.restoration import change_plan

        change_plan(plan, tuple(units), state, person=by, comment=comment)  # type: ignore[arg-type]
        typer.echo(f"{', '.join(units)}: {state}")


@app.command()
def evaluate(
    cover: Annotated[Path, typer.Argument(help="Table of unit, year and cover (share, 0 to 1).")],
    since: Annotated[int, typer.Option(help="First season after the work.")],
    by: _By,
    units: Annotated[
        list[str] | None, typer.Option("--unit", help="Only these done units; repeat the option.")
    ] = None,
    water: Annotated[
        list[str] | None,
        typer.Option("--water", help="Column whose effect is taken out, such as rain."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the placebos.", min=0)] = 1,
    plan: _Plan = _FILE,
) -> None:
    """Compare done units with matched controls, before and after, and keep what was found."""
    with report_errors():
        import numpy as np

        from headwater.cli.output import warn
        from headwater.restoration import evaluate_plan, load_plan
        from headwater.restoration.plan_store import keep_evaluation
        from headwater.restoration.treatment_effect import read_cover

        extra = tuple(water or ())
        found = evaluate_plan(
            load_plan(plan),
            read_cover(cover, extra),
            since=since,
            rng=np.random.default_rng(seed),
            units=tuple(units or ()),
            water=extra,
        )
        keep_evaluation(plan, found, person=by)
        first = next(iter(found.values()))
        typer.echo(f"{', '.join(found)}: {first['statement']}")
        placebo = float(first["p_placebo"])
        if math.isfinite(placebo):
            typer.echo(f"Of placebo treatments, {placebo:.1%} had an effect as large.")
        else:
            warn(["There are too few units to try placebo treatments."])


@app.command()
def export(
    to: Annotated[Path, typer.Argument(help=".csv, .xlsx, .gpkg, or .html that prints.")],
    plan: _Plan = _FILE,
    language: Annotated[str, typer.Option(help="Of the names of measures: en or zh.")] = "en",
) -> None:
    """Write the plan as a work table, a map or a page."""
    with report_errors():
        from headwater.errors import StudyError
        from headwater.restoration import load_plan, write_plan

        if language not in ("en", "zh"):
            raise StudyError("no such language", found=f"'{language}'", do="Write en or zh")
        typer.echo(f"Wrote {write_plan(load_plan(plan), to, language=language)}")


@app.command()
def remind(
    plan: _Plan = _FILE,
    store: Annotated[
        str, typer.Option(envvar="HEADWATER_STORE", help="SQLite file, or postgresql://…")
    ] = "network.db",
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Rules file with the channels; default: inbox.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option("--channel", help="Where to; default: inbox.")
    ] = None,
    day: Annotated[
        str | None, typer.Option(metavar="DATE", help="As if today were this day.")
    ] = None,
) -> None:
    """Put reminders of approved work (60, 30 and 14 days ahead) in the outbox, each once."""
    with report_errors():
        import datetime as dt

        from headwater.alerts import read_rules
        from headwater.alerts.outbox import Notice, post_notices
        from headwater.alerts.rules import Rules
        from headwater.cli.network_keep import store_address
        from headwater.errors import StudyError
        from headwater.network import open_store
        from headwater.restoration import load_plan
        from headwater.restoration.plan import due_reminders

        try:
            today = dt.date.fromisoformat(day) if day else dt.date.today()
        except ValueError as error:
            raise StudyError("no such day", found=f"'{day}'", do="Write 2027-04-01") from error
        due = due_reminders(load_plan(plan), today)
        notices = [
            Notice(
                one.key,
                "plan",
                one.unit,
                one.headline,
                {"measure": one.measure, "begin_by": one.begin_by.isoformat()},
            )
            for one in due
        ]
        with open_store(store_address(store)) as opened:
            known = Rules() if rules is None else read_rules(rules)
            new = post_notices(opened, notices, known, channels=tuple(channel or ("inbox",)))
        for notice in new:
            typer.echo(notice.headline)
        typer.echo(f"{len(new)} reminders posted, {len(due) - len(new)} had been before")
