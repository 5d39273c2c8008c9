from .earthwork_design import design_earthwork
from .plan import make_plan, plan_table
from .plan_export import write_plan
from .plan_store import change_plan, load_plan, save_plan
from .profile import read_profile
from .seasons import season_windows
from .treatment_effect import estimate_treatment_effect, evaluate_plan, matched_controls
from .units import read_units

__all__ = [
    "change_plan",
    "design_earthwork",
    "estimate_treatment_effect",
    "evaluate_plan",
    "load_plan",
    "make_plan",
    "matched_controls",
    "plan_table",
    "read_profile",
    "read_units",
    "save_plan",
    "season_windows",
    "write_plan",
]
