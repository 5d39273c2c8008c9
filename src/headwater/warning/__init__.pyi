from .baseline import fit_baseline, innovations
from .charts import calibrate_thresholds
from .drought import find_flash_droughts
from .evaluation import score_detector
from .resilience import critical_slowing_down
from .standardised import drought_class, seasonal_percentile, standardise
from .structural import monitor_structure

__all__ = [
    "calibrate_thresholds",
    "critical_slowing_down",
    "drought_class",
    "find_flash_droughts",
    "fit_baseline",
    "innovations",
    "monitor_structure",
    "score_detector",
    "seasonal_percentile",
    "standardise",
]
