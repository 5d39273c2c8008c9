from .calendar_bands import fit_season_start, planting_method, work_window
from .measures import Site, advise, read_profile
from .plan import Unit, make_plan, move_line, plan_table, write_plan
from .rain_harvesting import (
    HarvestStore,
    earthwork_refusals,
    pit_layout,
    runoff_cut,
    storm_runoff,
)
from .treatment_effect import estimate_treatment_effect, matched_controls

__all__ = [
    "HarvestStore",
    "Site",
    "Unit",
    "advise",
    "earthwork_refusals",
    "estimate_treatment_effect",
    "fit_season_start",
    "make_plan",
    "matched_controls",
    "move_line",
    "pit_layout",
    "plan_table",
    "planting_method",
    "read_profile",
    "runoff_cut",
    "storm_runoff",
    "work_window",
    "write_plan",
]
