"""Commands about tables of isotopes: check, summary, lines, mix, report, and the audit of print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.command_help import WIDTH, Commands
from headwater.cli.errors import report_errors
from headwater.cli.output import Out, print_table, warn, write_results
from headwater.cli.words import say

if TYPE_CHECKING:
    import pandas as pd

    from headwater.chapters.samples.options import SamplesOptions
    from headwater.results import Result

__all__ = [
    "app",
    "audit",
    "check",
    "lines",
    "mix",
    "report",
    "summary",
]

app = typer.Typer(
    cls=Commands,
    context_settings=WIDTH,
    name="samples",
    help="Ask a table of water samples where the water came from.",
    no_args_is_help=True,
)
_File = Annotated[Path, typer.Argument(help="Table of samples: CSV or XLSX.")]
_Of = Annotated[list[str] | None, typer.Option(help="Water that is described; may be repeated.")]
_By = Annotated[
    list[str] | None,
    typer.Option(help="Grouping: vegetation, altitude_band, …; may be repeated, each by itself."),
]
_Period = Annotated[str, typer.Option(help='Column of the periods; "" for none.')]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A key of [samples] in the study file, as TOML: --set 'altitude=[3000, 3500]'.",
    ),
]
_Sources = Annotated[
    list[str] | None, typer.Option("--source", help="An end member; repeat for each.")
]
_Mixtures = Annotated[
    list[str] | None, typer.Option("--mixture", help="A water that is mixed; default: soil.")
]
_ISOTOPES = {"d18O": "δ¹⁸O", "d2H": "δ²H", "d_excess": "d-excess", "lc_excess": "lc-excess"}
_PLACE = {"grouping": "grouping", "label": "group", "period": "period"}


@app.command()
def check(file: _File, set_: _Set = None, out: Out = None) -> None:
    """Look for what cannot be, and for what is unlikely; name the rows."""
    with report_errors():
        from headwater.errors import DataError
        from headwater.isotopes import check_quality

        samples = _table(_options(file, set_))
        table = samples.data
        for line in samples.choices:
            typer.echo(say(line))
        found = check_quality(table)
        typer.echo(say(found.method))
        _warn_lacking(table)
        columns = ("row", "sample_id", "rule", "severity", "column", "value", "reason")
        print_table(found.data, columns, digits=4)
        write_results(out, {"quality": found})
        wrong = found.data[found.data["severity"] == "error"]
        if len(wrong):
            rows = ", ".join(map(str, dict.fromkeys(wrong["row"][:8])))
            raise DataError(
                f"{wrong['row'].nunique()} samples have impossible values",
                found=f"rows {rows}{', …' if len(wrong) > 8 else ''}",
                do="Correct them in the file: nothing was removed",
            )


def _warn_lacking(table: pd.DataFrame) -> None:
    """Say which isotope the table does not have: a column may only have another name."""
    for name in ("d18O", "d2H"):
        if table[name].isna().all():
            warn(
                [
                    f"No value of {_ISOTOPES[name]} was found. If the file has it under another "
                    f"name: --set 'columns={{{name}=\"its name\"}}'"
                ]
            )


@app.command()
def summary(
    file: _File,
    of: _Of = None,
    by: _By = None,
    period: _Period = "month",
    weighted: Annotated[bool, typer.Option("--weighted", help="Weigh by the amount.")] = False,
    set_: _Set = None,
    out: Out = None,
) -> None:
    """Report means of δ¹⁸O, δ²H, d-excess and lc-excess by group and period."""
    with report_errors():
        from headwater.chapters.samples.lines import describe

        options = _options(file, set_, of=of, groups=by, period=period, weighted=weighted or None)
        results = describe(_table(options), options)
        cautions = dict.fromkeys((*results["quality"].cautions, *results["waters"].cautions))
        del results["table"], results["quality"]
        heads = {
            f"{name}_{what}": f"{words} {what}"
            for name, words in _ISOTOPES.items()
            for what in ("mean", "sd")
        }
        print_table(
            results["waters"].data,
            {"water": "water", "n": "n", **heads},
            title="All waters [‰]",
            digits=4,
        )
        print_table(
            results["summary"].data, {**_PLACE, "n": "n", **heads}, title="By group [‰]", digits=4
        )
        if "excess" in results:
            line = {"slope": "slope", "slope_se": "± se", "intercept": "intercept [‰]"}
            line |= {"r2": "R²", "n": "n"}
            title = "Regression of d-excess on δ¹⁸O"
            print_table(results["excess"].data, {**_PLACE, **line}, title=title)
        if "tests" in results:
            tests = results["tests"].data
            shown = tests[(tests["group_a"] != "all groups") & (tests["p_mean_holm"] < 0.05)]
            _show_differences(shown)
        write_results(out, results)
        warn(cautions)


def _show_differences(shown: pd.DataFrame) -> None:
    heads = {
        "compared": "of",
        "within": "within",
        "quantity": "quantity",
        "group_a": "group",
        "group_b": "less",
        "difference": "difference [‰]",
        "low": "low",
        "high": "high",
        "p_mean_holm": "p (Holm)",
    }
    renamed = shown.rename(columns={"p_mean_holm": "p_holm"}).reset_index(drop=True)
    heads["p_holm"] = heads.pop("p_mean_holm")
    print_table(renamed, heads, title="Groups that differ (Welch's t, p adjusted by Holm < 0.05)")


@app.command()
def lines(
    file: _File,
    of: _Of = None,
    by: _By = None,
    period: _Period = "month",
    method: Annotated[str, typer.Option(help="ols, rma, ma, york, huber, theil-sen.")] = "ols",
    lmwl: Annotated[
        str | None, typer.Option(help="Slope and intercept of a given meteoric line: 7.9,12.4")
    ] = None,
    set_: _Set = None,
    out: Out = None,
) -> None:
    """Fit water lines by group, cross them with the meteoric line, and judge them."""
    with report_errors():
        import numpy as np

        from headwater.chapters.samples.lines import line_results
        from headwater.chapters.samples.table import impossible
        from headwater.errors import DataError

        options = _options(
            file, set_, of=of, groups=by, period=period, method=method, lmwl=_given_line(lmwl)
        )
        table = _read(options)
        found = line_results(table, options, rng=np.random.default_rng(1))
        if not found:
            raise DataError(
                "no line can be fitted",
                found="fewer than 3 with both isotopes",
                do="Describe another water with --of, or give its δ²H",
            )
        _show_lines(found)
        write_results(out, found)
        warn([*impossible(table), *(t for result in found.values() for t in result.cautions)])


def _show_lines(found: dict[str, Result]) -> None:
    line = {
        "slope": "slope",
        "slope_low": "low",
        "slope_high": "high",
        "intercept": "intercept [‰]",
        "intercept_se": "± se",
        "r2": "R²",
        "n": "n",
    }
    if "meteoric" in found:
        title = "Local meteoric water line: the first is used"
        print_table(found["meteoric"].data, {"method": "method", **line}, title=title)
    lines_ = found["lines"].data
    print_table(lines_, {**_PLACE, **line, "status": "status"}, title="Lines by group")
    if "crossings" in found:
        heads = {
            **_PLACE,
            "d18O": "δ¹⁸O [‰]",
            "d18O_low": "low",
            "d18O_high": "high",
            "d2H": "δ²H [‰]",
            "status": "status",
            "verdict": "what the line is",
        }
        print_table(
            found["crossings"].data, heads, title="Crossings with the meteoric line (95 %, Fieller)"
        )


@app.command()
def mix(  # noqa: PLR0913, PLR0917 - a command has the options that its users need
    file: _File,
    sources: _Sources = None,
    mixtures: _Mixtures = None,
    tracers: Annotated[
        list[str] | None, typer.Option("--tracer", help="Default: d18O and d2H.")
    ] = None,
    residual: Annotated[
        str | None,
        typer.Option(help="What scatters samples: process, residual, both, simmr, mixsiar."),
    ] = None,
    source_file: Annotated[
        Path | None,
        typer.Option(help="Table of the sources, every sample or means: MixSIAR's, simmr's."),
    ] = None,
    discrimination: Annotated[
        Path | None, typer.Option(help="Table of discrimination, MixSIAR's third file.")
    ] = None,
    paired: Annotated[
        list[str] | None,
        typer.Option(help="Column in which sources agree with their mixtures; may be repeated."),
    ] = None,
    boundary: Annotated[
        bool, typer.Option("--boundary", help="Sources may be absent: fractions of 0 and 1.")
    ] = False,
    by: _By = None,
    period: _Period = "month",
    set_: _Set = None,
    out: Out = None,
) -> None:
    """Report of which sources each group of waters is mixed, with intervals."""
    with report_errors():
        import numpy as np

        from headwater.chapters.samples.mixing import mixing_results
        from headwater.chapters.samples.table import impossible

        mixing = _mixing(sources, mixtures, tracers)
        mixing |= {"residual": residual} if residual else {}
        mixing |= {"boundary": True} if boundary else {}
        mixing |= {"paired": paired} if paired else {}
        for key, path in (("source_file", source_file), ("discrimination_file", discrimination)):
            mixing |= {key: str(path.absolute())} if path else {}
        options = _options(file, set_, groups=by, period=period, mixing=mixing)
        table = _read(options)
        found = mixing_results(table, options, rng=np.random.default_rng(1))
        if "identifiability" in found:
            for row in found["identifiability"].data.to_dict("records"):
                typer.echo(f"{row['period']}: {say(str(row['sentence']))}")
        heads = {
            **_PLACE,
            "source": "source",
            "fraction": "fraction",
            "low": "low",
            "high": "high",
        }
        _show_fractions(found, heads)
        if "mixing-combined" in found:
            title = "Sources combined, mean and 95 % interval"
            print_table(found["mixing-combined"].data, heads, title=title, digits=2)
        _show_end_members(found)
        write_results(out, found)
        warn([*impossible(table), *(t for result in found.values() for t in result.cautions)])


def _show_fractions(found: dict[str, Result], heads: dict[str, str]) -> None:
    """Show the posterior, and next to it the closed form, which no prior draws anywhere."""
    table: pd.DataFrame = found["mixing"].data
    shown = table.assign(n=table["n"].astype(int))
    heads = {**heads, "n": "n", "status": "status"}
    if "mixing-closed" in found and "fraction" in found["mixing-closed"].data:
        place = [*_PLACE, "source"]
        closed = found["mixing-closed"].data[[*place, "fraction"]]
        shown = shown.merge(closed.rename(columns={"fraction": "closed"}), on=place, how="left")
        heads |= {"closed": "closed form"}
    print_table(shown, heads, title="Fractions, mean and 95 % interval", digits=2)


def _show_end_members(found: dict[str, Result]) -> None:
    """Show what EMMA, MIX and the chains say of the sources, where they were asked."""
    if "emma-scores" in found:
        ranks: dict[str, int] = found["emma"].ranks  # type: ignore[attr-defined]
        shown = ", ".join(f"{name} {rank + 1}" for name, rank in ranks.items())
        typer.echo(f"\nEnd members that the tracers of the mixtures ask for: {shown}")
        heads = {
            "end_members": "sources",
            "inside": "share of mixtures inside",
            "distance": "distance [sd]",
        }
        print_table(found["emma-screening"].data, heads, title="Sources that enclose the mixtures")
    if "mixing-likelihood" in found:
        heads = {
            **_PLACE,
            "source": "source",
            "fraction": "fraction",
            "low": "low",
            "high": "high",
            "sd": "sd between samples",
            "n": "n",
        }
        title = "Fractions by maximum likelihood with uncertain end members (MIX)"
        print_table(found["mixing-likelihood"].data, heads, title=title, digits=2)
    if "mixing-diagnostics" in found:
        names = ("period", "quantity", "r_hat", "ess_bulk", "ess_tail", "divergences")
        print_table(found["mixing-diagnostics"].data, names, title="Convergence", digits=4)


@app.command()
def report(
    file: _File,
    of: _Of = None,
    by: _By = None,
    period: _Period = "month",
    sources: _Sources = None,
    mixtures: _Mixtures = None,
    set_: _Set = None,
    out: Annotated[Path, typer.Option(help="Folder of results and report.")] = Path("results"),
) -> None:
    """Write a report of the samples: tables, lines, crossings, mixing, cautions."""
    with report_errors() as place:
        from headwater.chapters.steps import STEPS
        from headwater.cli.study_run import write_page
        from headwater.study import Study, run

        place.append(out)
        mixing = _mixing(sources, mixtures, None) if sources or mixtures else None
        options = _options(file, set_, of=of, groups=by, period=period, mixing=mixing)
        head = {"name": f"Samples of {file.name}", "results": str(out.absolute())}
        study = Study.model_validate({"study": head, "samples": options.model_dump()})
        run(study, STEPS)
        page = write_page(study)
        typer.echo(say(f"Report: {page}"))


def _mixing(
    sources: list[str] | None, mixtures: list[str] | None, tracers: list[str] | None
) -> dict[str, Any]:
    given = {"sources": sources, "mixtures": mixtures, "tracers": tracers}
    return {name: value for name, value in given.items() if value}


def _given_line(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    from headwater.errors import StudyError

    try:
        slope, intercept = (float(part) for part in text.split(","))
    except ValueError as error:
        raise StudyError(
            "a line is a slope and an intercept", found=f"'{text}'", do="Write --lmwl 7.9,12.4"
        ) from error
    return {"slope": slope, "intercept": intercept}


def _options(file: Path, set_: list[str] | None, **given: Any) -> SamplesOptions:
    """Compose the table [samples] of a study file; what --set says adds to the options."""
    from headwater.study.read import parse_samples

    raw = {name: value for name, value in given.items() if value not in (None, [])}
    return parse_samples(str(file.absolute()), raw, set_ or [])


def _table(options: SamplesOptions) -> Any:
    from headwater.chapters.samples.table import read_table

    samples = read_table(options)
    warn(samples.cautions)
    return samples


def _read(options: SamplesOptions) -> pd.DataFrame:
    frame: pd.DataFrame = _table(options).data
    return frame


def audit(
    tables: Annotated[
        list[Path] | None,
        typer.Argument(help="CSV of means, of lines or of facts; each is known by its columns."),
    ] = None,
    lines: Annotated[Path | None, typer.Option(help="CSV of water lines.")] = None,
    published: Annotated[
        str | None, typer.Option(help="A study that comes with Headwater: li2024 or zhao2025.")
    ] = None,
    water: Annotated[str, typer.Option(help="Kind of water of the means.")] = "soil",
    reading: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="What the files leave open: encoding=gbk, separator=tab, header=3; repeat.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for table and figure.")] = None,
) -> None:
    """Report what cannot be true in printed tables of isotopes, and what would be."""
    with report_errors():
        from headwater.errors import StudyError
        from headwater.isotopes import audit_tables, read_claims
        from headwater.isotopes.audit.run import RULES, published_study
        from headwater.tables.options import parse_options

        files = [*(tables or ()), *([lines] if lines else [])]
        if bool(files) == bool(published):
            raise StudyError(
                "audit needs tables, or a published study",
                found="both" if files else "neither",
                do="Name CSV files, or write --published li2024",
            )
        claims = (
            published_study(published)
            if published
            else read_claims(*files, water=water, reading=parse_options(reading or ()))
        )
        for line in claims.reading:
            typer.echo(say(line))
        report = audit_tables(claims)
        typer.echo(say(report.method))
        for rule, part in report.data.groupby("rule", sort=False):
            columns = ("severity", "label", "period", "quantity", "printed", "consistent")
            print_table(part.reset_index(drop=True), columns, title=f"{rule}: {RULES[str(rule)]}")
            reasons = dict.fromkeys(part["reason"])
            for reason in list(reasons)[:3]:
                typer.echo(f"    {reason}")
            if len(reasons) > 3:
                typer.echo(f"    … and {len(reasons) - 3} reasons more: --out writes all of them")
        clear = [rule for rule in RULES if rule not in set(report.data["rule"])]
        checked = [f"{rule} ({report.checked[rule]})" for rule in clear if report.checked[rule]]
        typer.echo(f"\nClear, with values checked: {', '.join(checked) or 'none'}")
        write_results(out, {"audit": report}, reading=claims.reading)
