from .bucket import Soil, Weather, water_balance
from .calibration import calibrate_soil
from .capacity import Exhaustion, Scenario, carrying_capacity
from .cover import EndValues, clean_ndvi, end_values, fractional_cover, place_composites
from .curves import response_curves
from .degradation import grade_degradation, peak_of_season
from .phenology import greenness_season, temperature_season, thaw_season
from .profiles import read_profile
from .response import Response, fit_response
from .smoothing import whittaker

__all__ = [
    "EndValues",
    "Exhaustion",
    "Response",
    "Scenario",
    "Soil",
    "Weather",
    "calibrate_soil",
    "carrying_capacity",
    "clean_ndvi",
    "end_values",
    "fit_response",
    "fractional_cover",
    "grade_degradation",
    "greenness_season",
    "peak_of_season",
    "place_composites",
    "read_profile",
    "response_curves",
    "temperature_season",
    "thaw_season",
    "water_balance",
    "whittaker",
]
