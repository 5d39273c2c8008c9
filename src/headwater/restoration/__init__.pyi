from .calendar_bands import fit_season_start, planting_method, work_window
from .dry_years import dry_year_shift
from .earthwork_design import curve_number_of, design_earthwork, season_harvest
from .evaluation import evaluate_plan
from .measures import Site, advise, read_profile
from .plan import Plan, PlanOptions, make_plan, move_line, plan_table
from .plan_export import plan_page, write_plan
from .plan_store import change_plan, load_plan, merge_plan, save_plan
from .rain_harvesting import (
    HarvestStore,
    earthwork_refusals,
    pit_layout,
    runoff_cut,
    storm_runoff,
)
from .seasons import air_thaw, germination_water, season_windows
from .treatment_effect import estimate_treatment_effect, matched_controls
from .units import Unit, read_units, unit_of
from .work_calendar import calendar_table, fit_seasons, season_days, work_days

__all__ = [
    "HarvestStore",
    "Plan",
    "PlanOptions",
    "Site",
    "Unit",
    "advise",
    "air_thaw",
    "calendar_table",
    "change_plan",
    "curve_number_of",
    "design_earthwork",
    "dry_year_shift",
    "earthwork_refusals",
    "estimate_treatment_effect",
    "evaluate_plan",
    "fit_season_start",
    "fit_seasons",
    "germination_water",
    "load_plan",
    "make_plan",
    "matched_controls",
    "merge_plan",
    "move_line",
    "pit_layout",
    "plan_page",
    "plan_table",
    "planting_method",
    "read_profile",
    "read_units",
    "runoff_cut",
    "save_plan",
    "season_days",
    "season_harvest",
    "season_windows",
    "storm_runoff",
    "unit_of",
    "work_days",
    "work_window",
    "write_plan",
]
