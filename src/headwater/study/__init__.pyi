from .checks import Survey, check, survey
from .engine import run, wanted_steps
from .folder import finished_steps
from .model import Study
from .read import parse_study, read_study
from .results_io import load_result, save_result

__all__ = [
    "Study",
    "Survey",
    "check",
    "finished_steps",
    "load_result",
    "parse_study",
    "read_study",
    "run",
    "save_result",
    "survey",
    "wanted_steps",
]
