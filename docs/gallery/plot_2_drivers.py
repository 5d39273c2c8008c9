"""
What drives the pattern
=======================

The geographical detector on maps of the growing season. In the virtual headwater rain and
temperature cause soil moisture, slope does nothing, and the vegetation is a consequence.
"""

import xarray as xr

from headwater.detector import detect
from headwater.virtual import make_headwater

here = make_headwater(seed=1, shape=(24, 55))
season = here.cube.sel(time=here.cube["time"].dt.month.isin(range(5, 11)))
maps = xr.Dataset(
    {
        "soil_moisture": season["soil_moisture"].mean("time"),
        "precipitation": season["precipitation"].sum("time") / 5,
        "temperature": season["temperature"].mean("time"),
        "vegetation": here.vegetation,
    }
)
found = detect(
    maps,
    "soil_moisture",
    ["precipitation", "temperature", "vegetation"],
    kinds={"vegetation": "categorical"},
)

# %%
# The share of the variance that each factor explains, adjusted for its number of classes.

found.factor.plot()

# %%
# What two factors explain together.

found.interaction.plot()
