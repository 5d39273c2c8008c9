"""The command that audits printed tables of isotopes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import print_table, write_results

__all__ = ["audit"]


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
            typer.echo(line)
        report = audit_tables(claims)
        typer.echo(report.method)
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
