from .audit.run import audit_tables, read_claims
from .evaporation import Climate, evaporated_fraction
from .excess import d_excess, lc_excess
from .intersection import crossings
from .lines import GMWL, WaterLine, fit_line
from .mixing.bounds import feasible_bounds
from .mixing.closed_form import mix_closed_form
from .mixing.composition import compose, compose_stated
from .mixing.end_member_analysis import emma
from .mixing.evaporated_water import mix_evaporated
from .mixing.hierarchical import Effects, mix_hierarchical
from .mixing.mix_model import mix_carrera
from .mixing.posterior import mix_posterior
from .mixing.priors import dirichlet_prior
from .mixing.source_checks import identifiability, polygon_test
from .quality import check_quality
from .read import read_mixsiar, read_samples
from .samples import add_groups, check_samples
from .slopes import fit_lines
from .summary import summarise

__all__ = [
    "Climate",
    "Effects",
    "GMWL",
    "WaterLine",
    "add_groups",
    "audit_tables",
    "check_quality",
    "check_samples",
    "compose",
    "compose_stated",
    "crossings",
    "d_excess",
    "dirichlet_prior",
    "emma",
    "evaporated_fraction",
    "feasible_bounds",
    "fit_line",
    "fit_lines",
    "identifiability",
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
