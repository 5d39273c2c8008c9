"""Area-weighted means of six zones for every day: `python -m benchmarks.zones`."""

from __future__ import annotations

import importlib.util

import numpy as np
import xarray as xr
from benchmarks.correlation import cubes, megabytes, seconds

from headwater.grids.zonal import zone_mean, zone_quantiles
from headwater.grids.zones import Zones

MEASURED_APART = "measured apart: xarray 0.9 s, flox 0.9 s (both unweighted), xarray-spatial 20 s"


def rows() -> list[dict]:
    data = cubes()[0]
    rng = np.random.default_rng(2)
    codes = xr.DataArray(rng.integers(0, 6, (72, 166)).astype(np.float32), dims=("y", "x"))
    area = xr.DataArray(rng.uniform(20, 30, (72, 166)), dims=("y", "x"))
    zones = Zones(codes, tuple("abcdef"))

    def theirs() -> xr.DataArray:
        grouped = codes.rename("zone").astype(int)
        weighted = (data * area).groupby(grouped).sum()
        return weighted / (area * data.notnull()).groupby(grouped).sum()

    who = "xarray groupby with flox" if importlib.util.find_spec("flox") else "xarray groupby"
    return [
        {
            "task": "6 zones × 1826 days, weighted means and counts",
            "ours": seconds(lambda: zone_mean(data, zones, area)),
            "peer": seconds(theirs, 1),
            "target": "≤ 0.05",
            "note": f"+{megabytes(lambda: zone_mean(data, zones, area)):.0f} MB; peer: {who}, "
            f"weighted means; {MEASURED_APART}",
        },
        {
            "task": "6 zones × 1826 days, five weighted quantiles",
            "ours": seconds(lambda: zone_quantiles(data, zones, area), 1),
            "peer": None,
            "target": "",
            "note": "sorted zone by zone",
        },
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)
