from .calendar_bands import planting_method
from .dry_years import dry_year_shift
from .earthwork_design import design_earthwork, season_harvest
from .evaluation import evaluate_plan
from .measures import advise
from .plan import make_plan, plan_table
from .plan_export import write_plan
from .plan_store import change_plan, load_plan, merge_plan, save_plan
from .profile import read_profile
from .rain_harvesting import earthwork_refusals, runoff_cut, storm_runoff
from .seasons import season_windows
from .treatment_effect import estimate_treatment_effect, matched_controls
from .units import read_units
from .work_calendar import calendar_table, fit_seasons, work_days

__all__ = [
    "advise",
    "calendar_table",
    "change_plan",
    "design_earthwork",
    "dry_year_shift",
    "earthwork_refusals",
    "estimate_treatment_effect",
    "evaluate_plan",
    "fit_seasons",
    "load_plan",
    "make_plan",
    "matched_controls",
    "merge_plan",
    "plan_table",
    "planting_method",
    "read_profile",
    "read_units",
    "runoff_cut",
    "save_plan",
    "season_harvest",
    "season_windows",
    "storm_runoff",
    "work_days",
    "write_plan",
]
