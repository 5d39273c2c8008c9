"""Run every benchmark and write docs/benchmarks.md: `python -m benchmarks [name …]`."""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "benchmarks.md"
PACKAGES = ("headwater", "numpy", "scipy", "pandas", "xarray", "numba", "dask", "zarr")
HEAD = "| task | ours | peer | gain | target | met? | note |\n|---|---|---|---|---|---|---|"


_NO_TIMES = ("_", "size_", "rates_", "calibration_", "coverage_", "stream_")


def modules(wanted: list[str]) -> list[str]:
    """Name the modules that time something; rates of error have pages of their own."""
    found = [module.name for module in pkgutil.iter_modules([str(FOLDER)])]
    timed = [name for name in found if not name.startswith(_NO_TIMES)]
    return [name for name in timed if name in wanted] if wanted else timed


def machine() -> str:
    """Say on what the figures were measured, without names or paths."""
    cpu = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        found = re.search(r"model name\s*:\s*(.+)", facts.read_text())
        cpu = found[1] if found else cpu
    packages = []
    for name in PACKAGES:
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    python = f"Python {platform.python_version()}, {platform.system()}"
    return f"{cpu}, {os.cpu_count()} cores; {python}; {', '.join(packages)}."


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def met(row: dict) -> str:
    limit = re.search(r"[\d.]+", row["target"].replace(" ", ""))
    if limit is None:
        return ""
    enough = row["ours"] >= float(limit[0])
    return "yes" if enough == more_is_better(row) else "**no**"


def more_is_better(row: dict) -> bool:
    return row["target"].startswith("≥")


def line(row: dict) -> str:
    ratio = ""
    if row["peer"] and row["ours"] > 0:
        gain = row["peer"] / row["ours"]
        gain = 1 / gain if more_is_better(row) else gain
        ratio = f"{gain:.0f} ×" if gain >= 10 else f"{gain:.1f} ×"
    cells = [row["task"], number(row["ours"]), number(row["peer"]), ratio]
    return "| " + " | ".join([*cells, row["target"], met(row), row["note"]]) + " |"


def section(name: str) -> str:
    module = importlib.import_module(f"benchmarks.{name}")
    if not hasattr(module, "rows"):
        return ""
    table = [row for row in module.rows() if {"task", "ours", "peer", "target"} <= set(row)]
    if not table:
        return ""
    title = (module.__doc__ or name).strip().splitlines()[0].partition(":")[0].rstrip(".")
    return "\n".join([f"## {title}", "", HEAD, *(line(row) for row in table), ""])


def apart(name: str) -> str:
    """Run a section in a process of its own, whose peak memory is not that of those before."""
    command = [sys.executable, "-m", "benchmarks", "--section", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main() -> None:
    # before NumPy is loaded: a second thread would hide what the first one costs
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if sys.argv[1:2] == ["--section"]:
        sys.stdout.write(section(sys.argv[2]))
        return
    sections = [apart(name) for name in modules(sys.argv[1:])]
    text = "\n".join(
        [
            "# Benchmarks",
            "",
            "CPU seconds (median of several runs after one to warm up) unless the task says "
            "otherwise; gain: how many times less than the peer. Made by `make bench`. "
            "Figures called “elsewhere” are from another machine, "
            "and stand in no ratio.",
            "",
            machine(),
            "",
            *(part for part in sections if part),
        ]
    )
    if sys.argv[1:]:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
