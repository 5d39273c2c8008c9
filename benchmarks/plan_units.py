"""Plan of restoration: ten thousand management units."""

from __future__ import annotations

import numpy as np
import shapely
from benchmarks.correlation import seconds

from headwater.restoration import make_plan, plan_table
from headwater.restoration.calendar_bands import fit_season_start
from headwater.restoration.measures import Site
from headwater.restoration.profile import GRADES
from headwater.restoration.units import Unit
from headwater.restoration.work_calendar import SeasonFits

COUNT = 10_000


def rows() -> list[dict]:
    units, season = _units()
    plan = make_plan(units, year=2027, season=season)
    count = len(plan_table(plan))
    return [
        {
            "task": f"plan of {COUNT:,} units with calendar".replace(",", " "),
            "ours": seconds(lambda: make_plan(units, year=2027, season=season)),
            "peer": None,
            "target": "≤ 5",
            "note": "measures, refusals, dates, earthwork, overlaps and priorities",
        },
        {
            "task": f"its work table of {count:,} rows".replace(",", " "),
            "ours": seconds(lambda: plan_table(plan)),
            "peer": None,
            "target": "≤ 5",
            "note": "with reasons and sources",
        },
    ]


def _units() -> tuple[list[Unit], SeasonFits]:
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
    return units, season
