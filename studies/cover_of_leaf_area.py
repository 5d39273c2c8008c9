"""Make cover of leaf area for the studies piave and mosel-vegetation: `python FILE DATA FOLDER`.

Both sets have a mean year of leaf area and no NDVI. Cover is 1 - exp(-0.5 LAI) (Beer's law with the
extinction of leaves in all directions), so that years differ in nothing: water can explain nothing.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr


def piave(data: Path) -> xr.DataArray:
    """Twelve months of the static maps, dated 2010."""
    maps = xr.open_dataset(data / "wflow-piave-dolomites" / "staticmaps.nc")
    area = maps["vegetation_leaf_area_index"].drop_vars("spatial_ref")
    return area.assign_coords(time=pd.date_range("2010-01-01", periods=12, freq="MS"))


def mosel(data: Path) -> xr.DataArray:
    """Mean leaf area of the classes in each cell of the model, every month of 1990-1993."""
    home = data / "mhm-mosel-esacci"
    rows = (home / "LAI_classdefinition.txt").read_text().split("\n")[2:12]
    monthly = np.array([row.split()[-12:] for row in rows], dtype=float)
    classes = np.loadtxt(home / "LAI_class.asc", skiprows=6)
    known = (classes >= 1) & (classes <= 10)
    of_cell = monthly[np.clip(classes.astype(int), 1, 10) - 1]
    each = np.where(known, np.moveaxis(of_cell, -1, 0), np.nan)
    # 48 x 48 cells of 500 m in one of 24 km
    with np.errstate(invalid="ignore"):
        cells = np.nanmean(each.reshape(12, 9, 48, 6, 48).swapaxes(2, 3).reshape(12, 9, 6, -1), -1)
    months = pd.date_range("1990-01-01", "1993-12-01", freq="MS")
    like = xr.open_dataset(home / "pre.nc")
    return xr.DataArray(
        np.tile(cells, (4, 1, 1)),
        {"time": months, "yc": like["yc"], "xc": like["xc"]},
        ("time", "yc", "xc"),
    )


if __name__ == "__main__":
    Path(sys.argv[2]).mkdir(exist_ok=True)
    for make in (piave, mosel):
        cover = 1.0 - np.exp(-0.5 * make(Path(sys.argv[1])))
        cover.attrs = {"units": "1", "long_name": "Cover from leaf area"}
        cover.rename("ndvi").to_dataset().to_netcdf(Path(sys.argv[2]) / f"cover-{make.__name__}.nc")
