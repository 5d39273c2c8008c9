from .coupling import Coupling
from .covariance import Component, ResidualCovariance, estimate_covariance
from .folds import make_folds
from .intervals import IntervalScale, calibrate_intervals
from .noise import excess_noise, noise_level
from .observation_age import days_to_observation, observed_within, total_sd
from .pipeline import Downscaled, downscale, spread
from .predictors import Predictors, antecedent_precipitation, gather, terrain_predictors
from .residual import ResidualField, fit_residual
from .stations import StationResiduals
from .support_operator import Aggregated, Support, aggregate_cube, support
from .training import DownscalingModel, Recipe, fit
from .twin_experiment import TwinResult, twin
from .wavelets import fill_in_time, low_pass, split_in_bands

__all__ = [
    "Aggregated",
    "Component",
    "Coupling",
    "Downscaled",
    "DownscalingModel",
    "IntervalScale",
    "Predictors",
    "Recipe",
    "ResidualCovariance",
    "ResidualField",
    "StationResiduals",
    "Support",
    "TwinResult",
    "aggregate_cube",
    "antecedent_precipitation",
    "calibrate_intervals",
    "days_to_observation",
    "downscale",
    "estimate_covariance",
    "excess_noise",
    "fill_in_time",
    "fit",
    "fit_residual",
    "gather",
    "low_pass",
    "make_folds",
    "noise_level",
    "observed_within",
    "split_in_bands",
    "spread",
    "support",
    "terrain_predictors",
    "total_sd",
    "twin",
]
