from .pipeline import downscale
from .predictors import build_predictors
from .support_operator import aggregate_cube, support
from .training import Recipe, fit_downscaling
from .twins import twin_experiment

__all__ = [
    "Recipe",
    "aggregate_cube",
    "build_predictors",
    "downscale",
    "fit_downscaling",
    "support",
    "twin_experiment",
]
