from .covariance import estimate_covariance
from .folds import make_folds
from .intervals import calibrate_intervals
from .observation_age import days_to_observation
from .pipeline import disaggregate_residuals, downscale
from .predictors import build_predictors, terrain_predictors
from .stations import StationResiduals
from .support_operator import aggregate_cube, support
from .training import Recipe, fit_downscaling
from .twins import twin_experiment

__all__ = [
    "Recipe",
    "StationResiduals",
    "aggregate_cube",
    "build_predictors",
    "calibrate_intervals",
    "days_to_observation",
    "disaggregate_residuals",
    "downscale",
    "estimate_covariance",
    "fit_downscaling",
    "make_folds",
    "support",
    "terrain_predictors",
    "twin_experiment",
]
