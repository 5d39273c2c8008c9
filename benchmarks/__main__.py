"""Run every benchmark and write docs/benchmarks.md: `python -m benchmarks [name …]`."""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "benchmarks.md"
PACKAGES = ("headwater", "numpy", "scipy", "pandas", "xarray", "numba", "dask", "zarr")
HEAD = "| task | ours | peer | peer / ours | target | met? | note |\n|---|---|---|---|---|---|---|"


def modules(wanted: list[str]) -> list[str]:
    """Name the modules that time something; error rates (size_…) have pages of their own."""
    found = [module.name for module in pkgutil.iter_modules([str(FOLDER)])]
    timed = [name for name in found if not name.startswith(("_", "size_"))]
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
    limit = re.search(r"[\d.]+", row["target"])
    if limit is None:
        return ""
    return "yes" if row["ours"] <= float(limit[0]) else "**no**"


def line(row: dict) -> str:
    ratio = f"{row['peer'] / row['ours']:.0f} ×" if row["peer"] and row["ours"] > 0 else ""
    cells = [row["task"], number(row["ours"]), number(row["peer"]), ratio]
    return "| " + " | ".join([*cells, row["target"], met(row), row["note"]]) + " |"


def section(name: str) -> str:
    module = importlib.import_module(f"benchmarks.{name}")
    table = [row for row in module.rows() if {"task", "ours", "peer", "target"} <= set(row)]
    if not table:
        return ""
    title = (module.__doc__ or name).strip().splitlines()[0].partition(":")[0].rstrip(".")
    return "\n".join([f"## {title}", "", HEAD, *(line(row) for row in table), ""])


def main() -> None:
    # before NumPy is loaded: a second thread would hide what the first one costs
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    sections = [section(name) for name in modules(sys.argv[1:])]
    text = "\n".join(
        [
            "# Benchmarks",
            "",
            "CPU seconds (median of several runs after one to warm up) unless the task says "
            "otherwise. Made by `make bench`. Figures called “elsewhere” are from another machine, "
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
