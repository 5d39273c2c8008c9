from .baseline import fit_baseline, innovations
from .charts import calibrate_thresholds, update_chart
from .drought import (
    days_of_supply,
    find_flash_droughts,
    moisture_deficit_index,
    soil_water_deficit_index,
)
from .evaluation import score_detector
from .ladder import climb
from .percentiles import drought_class, seasonal_percentile
from .resilience import critical_slowing_down
from .standardised import fit_standardisation, standardise
from .structural import monitor_structure

__all__ = [
    "calibrate_thresholds",
    "climb",
    "critical_slowing_down",
    "days_of_supply",
    "drought_class",
    "find_flash_droughts",
    "fit_baseline",
    "fit_standardisation",
    "innovations",
    "moisture_deficit_index",
    "monitor_structure",
    "score_detector",
    "seasonal_percentile",
    "soil_water_deficit_index",
    "standardise",
    "update_chart",
]
