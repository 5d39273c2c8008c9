from .detection import detect
from .ecological_detector import ecological
from .factor_detector import factor
from .interaction_detector import interaction
from .optimal_parameters import opgd
from .risk_detector import contrasts, risk
from .robust_detector import rgd
from .rough_sets import srsgd
from .series import q_series
from .shapley import lesh
from .spatial_association import spade
from .spatial_overlay import idsa
from .strata import stratify
from .table_detection import from_table
from .tree import gozh

__all__ = [
    "contrasts",
    "detect",
    "ecological",
    "factor",
    "from_table",
    "gozh",
    "idsa",
    "interaction",
    "lesh",
    "opgd",
    "q_series",
    "rgd",
    "risk",
    "spade",
    "srsgd",
    "stratify",
]
