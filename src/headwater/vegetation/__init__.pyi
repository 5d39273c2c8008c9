from .bucket import Soil, Weather, water_balance
from .calibration import calibrate_soil
from .capacity import carrying_capacity
from .cover import clean_ndvi, end_values, fractional_cover
from .degradation import grade_degradation, peak_of_season
from .response import fit_response
from .smoothing import whittaker

__all__ = [
    "Soil",
    "Weather",
    "calibrate_soil",
    "carrying_capacity",
    "clean_ndvi",
    "end_values",
    "fit_response",
    "fractional_cover",
    "grade_degradation",
    "peak_of_season",
    "water_balance",
    "whittaker",
]
