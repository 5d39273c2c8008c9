"""What of this machine Headwater can use, and what to do about what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.output import print_json
from headwater.installation import install_command, install_hint, requirements

__all__ = ["Finding", "examine", "run_doctor"]

_EXTRAS = {
    "archive": "closed months of a network as Parquet files",
    "bayes": "hierarchical mixing of water samples",
    "cloud": "inputs and results by URL: s3://, gs://, az://, https://",
    "cluster": "runs on the workers of a Dask cluster",
    "fetch": "`headwater fetch` from STAC catalogues and servers",
    "hdf4": "MODIS tiles as delivered",
    "oidc": "sign-in to the platform by an OpenID provider",
    "postgres": "a network store on PostgreSQL",
}
_LEAST_DISK = 2.0
_LEAST_MEMORY = 4.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    subject : str
        What was looked at.
    state : str
        ``"ok"``, ``"optional"`` (works without) or ``"problem"``.
    found : str
        What was found.
    do : str
        What to do about it.
    """

    subject: str
    state: str
    found: str
    do: str = ""


def _python() -> Finding:
    return Finding("Python", "ok", f"{sys.version.split()[0]} ({sys.executable})")


def _package(name: str) -> str | None:
    """Version of a requirement such as ``psycopg[binary]>=3.2``; None where it is missing."""
    from packaging.requirements import Requirement

    needed = Requirement(name)
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return None
    return found if needed.specifier.contains(found, prereleases=True) else None


def _packages() -> Finding:
    needed = requirements()
    if not needed:
        return Finding(
            "Packages", "problem", "Headwater is not installed", "In a clone: pip install ."
        )
    lacking = [name for name in needed if _package(name) is None]
    if lacking:
        found = f"missing or too old: {', '.join(lacking)}"
        return Finding("Packages", "problem", found, install_command(lacking))
    return Finding("Packages", "ok", f"all {len(needed)} are here")


def _extra(name: str) -> Finding:
    lacking = [entry for entry in requirements(name) if _package(entry) is None]
    subject = f"Extra {name}"
    if lacking:
        return Finding(subject, "optional", f"not here: {_EXTRAS[name]}", install_hint(name))
    return Finding(subject, "ok", _EXTRAS[name])


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    found = f"{free:.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Finding("Disk", "problem", f"{folder} cannot be written", "Change to another folder")
    if free < _LEAST_DISK:
        return Finding("Disk", "problem", found, "Free some, or change to another folder")
    return Finding("Disk", "ok", found)


def _memory() -> Finding:
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, ValueError, OSError):  # Windows
        return Finding("Memory", "ok", "not known on this system")
    if whole < _LEAST_MEMORY:
        return Finding("Memory", "optional", f"{whole:.1f} GB", "Use smaller blocks: --chunk-mb 4")
    return Finding("Memory", "ok", f"{whole:.1f} GB")


def _fonts() -> Finding:
    from matplotlib import font_manager

    wanted = ("Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "SimHei")
    names = {font.name for font in font_manager.fontManager.ttflist}
    found = next((name for name in wanted if name in names), None)
    if found is None:
        do = "Install Noto Sans CJK (Debian and Ubuntu: fonts-noto-cjk)"
        return Finding("Chinese font", "optional", "none: Chinese labels cannot be drawn", do)
    return Finding("Chinese font", "ok", found)


def examine(folder: Path) -> Iterator[Finding]:
    """Look at Python, packages, extras, disk, memory and fonts.

    Parameters
    ----------
    folder : Path
        Folder in which studies are to be computed.

    Yields
    ------
    Finding
    """
    yield _python()
    yield _packages()
    for name in _EXTRAS:
        yield _extra(name)
    yield _disk(folder)
    yield _memory()
    yield _fonts()


def run_doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")] = False,
) -> None:
    """Look at this machine: what Headwater can use, and what to do about what is missing."""
    if as_json:
        found = list(examine(Path.cwd()))
        print_json([asdict(finding) for finding in found])
        raise typer.Exit(int(any(finding.state == "problem" for finding in found)))
    marks = {"ok": "ok      ", "optional": "optional", "problem": "PROBLEM "}
    problems = 0
    for finding in examine(Path.cwd()):
        problems += finding.state == "problem"
        typer.echo(f"{marks[finding.state]}  {finding.subject}: {finding.found}")
        if finding.do:
            typer.echo(f"          {finding.do}")
    typer.echo("Nothing stands in the way." if not problems else f"{problems} to be mended.")
    if problems:
        raise typer.Exit(1)
