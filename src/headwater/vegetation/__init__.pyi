from .cover import EndValues, clean_ndvi, end_values, fractional_cover, place_composites
from .phenology import greenness_season, temperature_season, thaw_season
from .smoothing import whittaker

__all__ = [
    "EndValues",
    "clean_ndvi",
    "end_values",
    "fractional_cover",
    "greenness_season",
    "place_composites",
    "temperature_season",
    "thaw_season",
    "whittaker",
]
