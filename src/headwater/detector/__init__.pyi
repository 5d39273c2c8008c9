from .associations import association
from .detection import detect
from .ecological_detector import ecological
from .factor_detector import factor
from .interaction_detector import interaction
from .local import local_q
from .optimal_parameters import opgd
from .risk_detector import contrasts, risk
from .robust_detector import rgd
from .rough_sets import srsgd
from .scale import scale_sweep
from .series import q_series
from .shapley import lesh, shegd
from .spatial_association import spade
from .spatial_overlay import idsa
from .strata import stratify
from .table_detection import from_table
from .torus_shift import torus_shift_test
from .tree import gozh

__all__ = [
    "association",
    "contrasts",
    "detect",
    "ecological",
    "factor",
    "from_table",
    "gozh",
    "idsa",
    "interaction",
    "lesh",
    "local_q",
    "opgd",
    "q_series",
    "rgd",
    "risk",
    "scale_sweep",
    "shegd",
    "spade",
    "srsgd",
    "stratify",
    "torus_shift_test",
]
