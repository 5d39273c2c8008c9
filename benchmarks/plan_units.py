"""Plan the work of ten thousand management units. Run: ``python -m benchmarks.plan_units``."""

from __future__ import annotations

import time

import numpy as np
import shapely

from headwater.restoration import make_plan, plan_table
from headwater.restoration.calendar_bands import fit_season_start
from headwater.restoration.measures import GRADES, Site
from headwater.restoration.units import Unit
from headwater.restoration.work_calendar import SeasonFits

__all__ = ["main"]

COUNT = 10_000


def main() -> None:
    """Print CPU seconds of the plan and of its table."""
    rng = np.random.default_rng(1)
    height, year = np.tile(np.linspace(3000, 5000, 20), 10), np.repeat(np.arange(10), 20)
    fits = {
        name: fit_season_start(first + 0.02 * (height - 3000) + rng.normal(0, 4, 200), height, year)
        for name, first in (("thaw", 110), ("start", 135), ("closes", 180), ("end", 270))
    }
    season = SeasonFits(fits["start"], fits["thaw"], fits["closes"], fits["end"], 3.0)
    units = [
        Unit(
            f"U{i}",
            shapely.box(
                95 + i % 100 * 0.02,
                36 + i // 100 * 0.02,
                95.015 + i % 100 * 0.02,
                36.015 + i // 100 * 0.02,
            ),
            float(rng.uniform(5, 500)),
            Site(
                GRADES[i % 5], 0.8, float(rng.uniform(3000, 5000)), float(rng.uniform(0, 40)), 0.8
            ),
            aspect=float(rng.uniform(0, 360)),
        )
        for i in range(COUNT)
    ]
    started = time.process_time()
    plan = make_plan(units, year=2027, season=season)
    planned = time.process_time()
    rows = len(plan_table(plan))
    print(
        f"{COUNT} units planned in {planned - started:.2f} CPU s; {rows} rows in "
        f"{time.process_time() - planned:.2f} CPU s"
    )


if __name__ == "__main__":
    main()
