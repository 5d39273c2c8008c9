from .checks import check
from .engine import run
from .model import Study
from .read import parse_study, read_study
from .results_io import load_result, save_result

__all__ = [
    "Study",
    "check",
    "load_result",
    "parse_study",
    "read_study",
    "run",
    "save_result",
]
