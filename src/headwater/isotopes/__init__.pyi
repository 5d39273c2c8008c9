from .audit.run import audit_tables, read_claims
from .evaporation import Climate, evaporated_fraction
from .excess import d_excess, lc_excess
from .lines import GMWL, WaterLine, fit_line
from .mixing.closed_form import mix_closed_form
from .mixing.composition import compose, compose_stated
from .mixing.end_member_analysis import emma
from .mixing.evaporated_water import mix_evaporated
from .mixing.hierarchical import Effects, mix_hierarchical
from .mixing.mix_model import mix_carrera
from .mixing.posterior import mix_posterior
from .mixing.source_checks import polygon_test
from .quality import check_quality
from .read import read_mixsiar, read_samples
from .slopes import fit_lines
from .summary import summarise

__all__ = [
    "Climate",
    "Effects",
    "GMWL",
    "WaterLine",
    "audit_tables",
    "check_quality",
    "compose",
    "compose_stated",
    "d_excess",
    "emma",
    "evaporated_fraction",
    "fit_line",
    "fit_lines",
    "lc_excess",
    "mix_carrera",
    "mix_closed_form",
    "mix_evaporated",
    "mix_hierarchical",
    "mix_posterior",
    "polygon_test",
    "read_claims",
    "read_mixsiar",
    "read_samples",
    "summarise",
]
