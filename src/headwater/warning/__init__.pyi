from .baseline import Baseline, BaselineOptions, fit_baseline, innovations
from .charts import Tolerance, calibrate_thresholds, new_chart, update_chart
from .drought import (
    FlashRule,
    days_of_supply,
    find_flash_droughts,
    moisture_deficit_index,
    soil_water_deficit_index,
)
from .evaluation import first_alarms, score_detector
from .ladder import LadderRule, climb, new_ladder
from .percentiles import drought_class, seasonal_percentile
from .resilience import critical_slowing_down
from .run_length import cusum_run_length, cusum_threshold, ewma_limit, ewma_run_length
from .standardised import fit_standardisation, standardise
from .structural import monitor_structure, stable_history_start

__all__ = [
    "Baseline",
    "BaselineOptions",
    "FlashRule",
    "LadderRule",
    "Tolerance",
    "calibrate_thresholds",
    "climb",
    "critical_slowing_down",
    "cusum_run_length",
    "cusum_threshold",
    "days_of_supply",
    "drought_class",
    "ewma_limit",
    "ewma_run_length",
    "find_flash_droughts",
    "first_alarms",
    "fit_baseline",
    "fit_standardisation",
    "innovations",
    "moisture_deficit_index",
    "monitor_structure",
    "new_chart",
    "new_ladder",
    "score_detector",
    "seasonal_percentile",
    "soil_water_deficit_index",
    "stable_history_start",
    "standardise",
    "update_chart",
]
