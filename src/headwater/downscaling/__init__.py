"""Satellite soil moisture made finer, with its error told.

- :mod:`headwater.downscaling.support`: the operator that averages pixels over cells
- :func:`gather`, :class:`Recipe`, :func:`fit`: predictors, and learners trained on coarse cells
- :func:`fit_residual`: what they left over, spread over pixels and days
- :func:`downscale`: both at once; :func:`twin`: the skill to expect of it
- :func:`scorecard`, :func:`triple_collocation`, :func:`match_times`: validation

Names are imported when first used. Those that share the name of their file are imported at once:
whoever imports the file first would otherwise find it in place of the function.
"""

from __future__ import annotations

import importlib
from typing import Any

from headwater.downscaling.agreement_intervals import agreement
from headwater.downscaling.extended_collocation import extended_collocation
from headwater.downscaling.scorecard import scorecard
from headwater.downscaling.support import support
from headwater.downscaling.triple_collocation import triple_collocation
from headwater.downscaling.twin import twin

__all__ = [
    "Aggregated",
    "Collocation",
    "Component",
    "Coupling",
    "Downscaled",
    "DownscalingModel",
    "IntervalScale",
    "MEASURES",
    "Predictors",
    "Recipe",
    "ResidualCovariance",
    "ResidualField",
    "Scaling",
    "Scorecard",
    "ScorecardOptions",
    "StationResiduals",
    "Support",
    "TwinResult",
    "aggregate_cube",
    "agreement",
    "antecedent_precipitation",
    "calibrate_intervals",
    "coarse_closure",
    "collocate",
    "collocate_all",
    "compare_all",
    "crps_ensemble",
    "crps_normal",
    "days_to_observation",
    "downscale",
    "downscaling_gain",
    "estimate_covariance",
    "excess_noise",
    "extended_collocation",
    "fill_in_time",
    "fit",
    "fit_residual",
    "fit_scaling",
    "gather",
    "interval_skill",
    "long_term_anomalies",
    "low_pass",
    "make_folds",
    "match_times",
    "mean_year",
    "measures",
    "noise_level",
    "observed_within",
    "scale_cdf",
    "scorecard",
    "short_term_anomalies",
    "spatial_correlation",
    "split_in_bands",
    "spread",
    "station_cells",
    "station_series",
    "support",
    "terrain_predictors",
    "total_sd",
    "triple_collocation",
    "twin",
    "within_cell_correlation",
]

_HOME = {
    "agreement": (
        "MEASURES",
        "measures",
    ),
    "anomalies": (
        "long_term_anomalies",
        "mean_year",
        "short_term_anomalies",
    ),
    "chain": (
        "Downscaled",
        "downscale",
        "spread",
    ),
    "comparisons": ("compare_all",),
    "coupling": ("Coupling",),
    "covariance": (
        "Component",
        "ResidualCovariance",
        "estimate_covariance",
    ),
    "fine_skill": (
        "coarse_closure",
        "downscaling_gain",
        "spatial_correlation",
        "within_cell_correlation",
    ),
    "folds": ("make_folds",),
    "interval_skill": (
        "crps_ensemble",
        "crps_normal",
        "interval_skill",
    ),
    "intervals": (
        "IntervalScale",
        "calibrate_intervals",
    ),
    "matching": (
        "collocate",
        "match_times",
        "station_cells",
        "station_series",
    ),
    "noise": (
        "excess_noise",
        "noise_level",
    ),
    "predictors": (
        "Predictors",
        "antecedent_precipitation",
        "gather",
        "terrain_predictors",
    ),
    "residual": (
        "ResidualField",
        "fit_residual",
    ),
    "scaling": (
        "Scaling",
        "fit_scaling",
        "scale_cdf",
    ),
    "scorecard": (
        "Scorecard",
        "ScorecardOptions",
    ),
    "seamless": (
        "days_to_observation",
        "observed_within",
        "total_sd",
    ),
    "stations": ("StationResiduals",),
    "support": (
        "Aggregated",
        "Support",
        "aggregate_cube",
    ),
    "training": (
        "DownscalingModel",
        "Recipe",
        "fit",
    ),
    "triple_collocation": (
        "Collocation",
        "collocate_all",
    ),
    "twin": ("TwinResult",),
    "wavelets": (
        "fill_in_time",
        "low_pass",
        "split_in_bands",
    ),
}
_FILE = {name: file for file, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _FILE:
        return getattr(importlib.import_module(f"headwater.downscaling.{_FILE[name]}"), name)
    raise AttributeError(f"module 'headwater.downscaling' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
