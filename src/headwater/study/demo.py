"""Virtual headwaters as files, each with the study file that reads them like any other."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import ResumeError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from headwater.virtual import VirtualHeadwater
    from headwater.virtual.satellite import SatelliteView

__all__ = [
    "write_demo",
    "write_satellite_demo",
]

_MISSING = -9999
_ZERO_CELSIUS = 273.15
# Powers of two, since what such steps round still compresses as float32. Each rounds by less than
# a thirtieth of the noise, or of the variation from day to day.
_STEP = {"soil_moisture": 2**-10, "ndvi": 2**-10, "temperature": 2**-4, "precipitation": 2**-4}
# the extent of the study area in cells of 0.075 degrees: the whole demo stays below 150 MB
_FULL: dict[str, Any] = {"shape": (48, 111), "resolution": 0.075}
_SMALL: dict[str, Any] = {"years": (2020, 2021), "shape": (10, 16), "resolution": 0.5}
_FIRST_LINE = "# The virtual headwater: made up, with known truth (data/truth.nc).\n"
_STUDY = """\
# `headwater init` writes a study file in which every key is explained.
[study]
name = "Virtual headwater"
growing_season = [5, 10]
seed = {seed}

[area]
path = "data/area.geojson"

[grid]
like = "soil_moisture"

[inputs.soil_moisture]
path = "data/soil_moisture_*.nc"

[inputs.precipitation]
path = "data/precipitation.zarr"

[inputs.temperature]      # in kelvin; converted on entry
path = "data/temperature.nc"

[inputs.ndvi]
path = "data/ndvi.nc"

[inputs.elevation]        # ten times finer than the grid; slope and aspect come from it
path = "data/dem.tif"
units = "m"

[inputs.vegetation]
path = "data/vegetation.tif"
classes = {{ 1 = "desert", 2 = "grassland", 3 = "meadow", 4 = "forest", 5 = "bare" }}

[variation]

[correlation]

[detector]

[vegetation]
{warning}
[samples]                 # soil, its sources and what it feeds, in June, August and September
path = "data/samples.csv"
altitude = [3000, 3500, 4000, 4500, 5100]
depth = [0, 0.2, 0.4, 0.6, 0.8]
groups = ["layer", "altitude_band", "vegetation", "aspect_sector"]

[samples.mixing]
sources = ["precipitation", "ground_ice", "snow_melt"]
by = ["altitude_band", "vegetation", "aspect_sector"]
paired = ["month"]
lapse = true              # all three grow lighter with altitude
absent = {{ August = ["snow_melt"], September = ["snow_melt"] }}

[restoration]             # units with grades from the field; thaw follows the air
units = "data/units.geojson"
thaw = "air"
durations = {{ no_till_reseeding = 10, revegetation = 14, transplanting = 14 }}

[report]                  # ends with what was recovered of the truth
truth = "data"
"""
_SLOPE = {"slope": 18.0, "soil_depth": 0.9, "cover": 0.2, "capacity": 0.5}
_UNITS = (
    # name, west, south, east, north as shares of the area's box; grade, probability, what is known
    ("Desert gate", 0.10, 0.66, 0.14, 0.70, "severe", 0.82, _SLOPE | {"cover": 0.15}),
    ("North slope", 0.34, 0.58, 0.39, 0.63, "heavy", 0.74, {"field_visited": True, "cover": 0.3}),
    ("Long valley", 0.48, 0.44, 0.56, 0.48, "moderate", 0.66, {"pika_burrows": 210.0}),
    ("Ice ridge", 0.25, 0.39, 0.29, 0.44, "severe", 0.71, {"permafrost": True, **_SLOPE}),
    ("Old pasture", 0.66, 0.31, 0.71, 0.36, "heavy", 0.69, {"cover": 0.35, "capacity": 0.55}),
    ("River meadow", 0.79, 0.21, 0.84, 0.25, "light", 0.61, {"pika_burrows": 90.0}),
    ("Core reserve", 0.51, 0.60, 0.55, 0.65, "moderate", 0.58, {"protection": "core"}),
    ("Steep cut", 0.65, 0.46, 0.68, 0.50, "severe", 0.77, _SLOPE | {"slope": 31.0, "seasons": 2}),
)
_SATELLITE_UNITS = {
    "lst_day": "degC",
    "lst_range": "K",
    "ndvi": "1",
    "albedo": "1",
    "precipitation": "mm",
}
_YEAR = 2018
_SATELLITE_STUDY = """\
[study]
name = "A virtual headwater, made finer"

[inputs.soil_moisture]
path = "soil_moisture.nc"

[inputs.precipitation]
path = "precipitation.nc"

[inputs.surface_temperature]
path = "lst_day.nc"

[inputs.lst_range]
path = "lst_range.nc"
units = "K"
long_name = "Daily range of surface temperature"

[inputs.ndvi]
path = "ndvi.nc"

[inputs.albedo]
path = "albedo.nc"

[inputs.elevation]
path = "elevation.nc"

[downscaling]
"""


"""Management units of the demo, made up like all of it."""


_WATCHED_FROM = 2017
"""Last first year that leaves three years before those in which cover is lost."""


_WARNING = """
[warning]                 # patches lose cover from 2020 on (data/truth.nc)
watch_from = "2020-01-01"
map_share = 0.25          # three years of history: certainty is not to be had
"""


def write_demo(
    out: str | Path,
    *,
    seed: int = 1,
    small: bool = False,
    making: Mapping[str, Any] | None = None,
) -> Path:
    """Write a virtual headwater and a study of it.

    Parameters
    ----------
    out : str or Path
        Folder: ``study.toml``, and ``data/`` with soil moisture (packed NetCDF, a file a year),
        precipitation (Zarr), temperature [K] and NDVI (NetCDF), with patches of degradation in its
        last two years, elevation and vegetation (GeoTIFF), the area, management units, water
        samples, and the truth.
    seed : int
        The same seed gives the same data.
    small : bool
        Two years on few cells.
    making : mapping, optional
        Options of :func:`headwater.virtual.make_headwater` in place of either.

    Returns
    -------
    Path
        The study file.

    Raises
    ------
    ResumeError
        If the folder holds other things, or cannot be written.
    """
    home = Path(out)
    # a shorter record has no history that could be watched against
    years = (making or {}).get("years", (2020, 2021) if small else (2017, 2021))
    watched = _WARNING if years[0] <= _WATCHED_FROM else ""
    data = _empty_home(home, _FIRST_LINE + _STUDY.format(seed=seed, warning=watched))
    _write_data(data, seed=seed, making=making or (_SMALL if small else _FULL))
    # Half a gigabyte in reference cycles would otherwise stay while the study runs.
    gc.collect()
    return home / "study.toml"


def _write_data(data: Path, *, seed: int, making: Mapping[str, Any]) -> None:
    from headwater.virtual import make_headwater
    from headwater.virtual.growing import hurt_greenness

    here = make_headwater(seed=seed, **making)
    here.truth.fields["cover_loss"] = hurt_greenness(here.cube["ndvi"], seed=seed)
    _write_cube(here.cube, data)
    _write_maps(here, data)
    _write_units(here, data)
    _write_truth(here, data)


def _empty_home(home: Path, study: str) -> Path:
    """Make the folder of the demo, where nothing but an earlier demo may lie."""
    file = home / "study.toml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        demo_before = file.is_file() and file.read_text(encoding="utf-8").startswith(_FIRST_LINE)
        entries = sorted(entry.name for entry in home.iterdir())
        if entries and not demo_before:
            raise ResumeError(
                "the folder holds other things than a demo",
                found=f"{home} with {', '.join(entries[:3])}",
                do="Choose an empty or new folder with --out",
            )
        file.write_text(study, encoding="utf-8")
        shutil.rmtree(home / "data", ignore_errors=True)
        (home / "data").mkdir()
    except ResumeError:
        raise
    except OSError as error:
        raise ResumeError(
            "the folder cannot be written", found=str(error), do="Choose another with --out"
        ) from error
    return home / "data"


def _write_cube(cube: xr.Dataset, data: Path) -> None:
    for year, part in cube["soil_moisture"].groupby("time.year"):
        _write_packed(part, data / f"soil_moisture_{year}.nc")
    _write_packed(cube["ndvi"], data / "ndvi.nc")
    warm = cube["temperature"] + np.float32(_ZERO_CELSIUS)
    warm.attrs = cube["temperature"].attrs | {"units": "K"}
    _write_packed(warm, data / "temperature.nc", offset=_ZERO_CELSIUS)
    # Zarr keeps no float32 attributes, and would be unpacked to float64: rounded in place
    step = np.float32(_STEP["precipitation"])
    rain = (cube["precipitation"] / step).round() * step
    rain.attrs = cube["precipitation"].attrs
    _as_dataset(rain).chunk({"time": 365}).to_zarr(
        data / "precipitation.zarr", mode="w", zarr_format=2
    )


def _as_dataset(values: xr.DataArray) -> xr.Dataset:
    """Drop what the cube carries for its own use, and say where the cells lie as CF has it."""
    plain = values.copy(deep=False)
    plain.attrs = {
        key: value for key, value in values.attrs.items() if key not in {"kind", "total"}
    }
    plain.encoding = {"grid_mapping": "spatial_ref"}
    return plain.to_dataset()


def _packing(name: str, offset: float | None = None) -> dict[str, Any]:
    # in float32, so that readers unpack to float32 and not to twice the memory
    scale: dict[str, Any] = {"scale_factor": np.float32(_STEP[name])}
    moved = {} if offset is None else {"add_offset": np.float32(offset)}
    return {"dtype": "int16", "_FillValue": _MISSING, **scale, **moved}


def _write_packed(values: xr.DataArray, path: Path, *, offset: float | None = None) -> None:
    from headwater.grids import write_netcdf

    blocks = (min(73, values.sizes["time"]), *values.shape[1:])
    encoding = {**_packing(str(values.name), offset), "chunksizes": blocks}
    write_netcdf(_as_dataset(values), path, encoding={str(values.name): encoding})


def _write_maps(here: VirtualHeadwater, data: Path) -> None:
    import shapely

    _write_raster(here.dem.astype("float32"), data / "dem.tif", missing=_MISSING)
    _write_raster(here.vegetation.astype("uint8"), data / "vegetation.tif", missing=255)
    outline = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "Virtual headwater"},
                "geometry": shapely.geometry.mapping(here.area),
            }
        ],
    }
    (data / "area.geojson").write_text(json.dumps(outline) + "\n", encoding="utf-8")


def _write_units(here: VirtualHeadwater, data: Path) -> None:
    import shapely

    west, south, east, north = here.area.bounds
    wide, high = east - west, north - south
    features = []
    for name, left, low, right, up, grade, probability, known in _UNITS:
        box = shapely.box(
            west + left * wide, south + low * high, west + right * wide, south + up * high
        )
        outline = shapely.geometry.mapping(box.intersection(here.area))
        properties = {"name": name, "grade": grade, "probability": probability, **known}
        features.append({"type": "Feature", "properties": properties, "geometry": outline})
    whole = {"type": "FeatureCollection", "features": features}
    (data / "units.geojson").write_text(json.dumps(whole) + "\n", encoding="utf-8")


def _write_raster(values: xr.DataArray, path: Path, *, missing: float) -> None:
    import rasterio

    from headwater.grids.geometry import crs_of, geobox_of

    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": values.sizes["y"],
        "width": values.sizes["x"],
        "dtype": str(values.dtype),
        "nodata": missing,
        "crs": crs_of(values).to_wkt(),
        "transform": geobox_of(values).transform,
        "compress": "deflate",
    }
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(values.values, 1)


def _write_truth(here: VirtualHeadwater, data: Path) -> None:
    from headwater.grids import write_netcdf

    here.samples.to_csv(data / "samples.csv", index=False, lineterminator="\n")
    truth = here.truth
    truth.fractions.to_csv(data / "truth_fractions.csv", index=False, lineterminator="\n")
    truth.sources.to_csv(data / "truth_sources.csv", index=False, lineterminator="\n")
    facts = {
        "lapse_rate": truth.lapse_rate,
        "lmwl": json.dumps(dict(truth.lmwl)),
        "noise": json.dumps(dict(truth.noise)),
        "drivers": json.dumps(dict(truth.drivers)),
    }
    fields = truth.fields.assign_attrs(facts)
    write_netcdf(fields, data / "truth.nc", encoding={"soil_moisture": _packing("soil_moisture")})


def write_satellite_demo(
    folder: str | Path,
    *,
    seed: int = 1,
    shape: tuple[int, int] = (36, 72),
    days: slice = slice(None),
    cell_km: int = 18,
    stations: int = 0,
) -> Path:
    """Write coarse soil moisture, fine predictors, the truth, and a study file.

    Parameters
    ----------
    folder : path
        Made when it is not there.
    seed : int
        The same seed gives the same bits on the same machine.
    shape : tuple of int
        Rows and columns of 0.05 degrees.
    days : slice
        Days of the year that are kept.
    cell_km : {36, 18, 9}
        Side of the coarse cells (EASE-Grid 2.0) [km].
    stations : int
        Places where ``stations.csv`` has the truth with a sensor's noise of 0.01 m3 m-3.

    Returns
    -------
    Path
        The study file, which ends with an empty table ``[downscaling]``. ``truth.nc`` next to it
        has the soil moisture that nobody knows, where the ground is thawed.

    Examples
    --------
    ``headwater downscale`` of ``write_satellite_demo("demo")``.
    """
    from headwater.downscaling.support_operator import support
    from headwater.grids.geometry import geobox_of
    from headwater.grids.products.smap import ease2_grid
    from headwater.virtual import make_headwater
    from headwater.virtual.satellite import observe_from_space

    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    here = make_headwater(seed=seed, years=(_YEAR, _YEAR), shape=shape, noise=0, gaps=0)
    operator = support(ease2_grid(cell_km), here.cube)
    view = observe_from_space(here, operator.matrix, seed=seed)
    fine, times = geobox_of(here.cube["ndvi"]), view.times[days].astype("datetime64[ns]")
    coarse, maps = _cut(operator, view.retrieval[days])
    _write(home, "soil_moisture", maps, coarse, times, "m3 m-3")
    for name, unit in _SATELLITE_UNITS.items():
        _write(home, name, view.dynamic[name][days], fine, times, unit)
    _write(home, "elevation", view.static["elevation"], fine, None, "m")
    truth = np.where(view.thawed, view.truth, np.nan).astype(np.float32)[days]
    _write(home, "truth", truth, fine, times, "m3 m-3")
    if stations:
        table = _stations(view, truth, fine, times, np.random.default_rng([seed, stations]))
        table[table["station"] < f"S{stations:02d}"].to_csv(home / "stations.csv", index=False)
    path = home / "study.toml"
    path.write_text(_SATELLITE_STUDY, encoding="utf-8")
    return path


def _cut(operator: Any, retrieval: Any) -> tuple[Any, Any]:
    """Lay retrievals on the part of the coarse grid that has cells."""
    rows, columns = np.unravel_index(operator.cells, operator.coarse_shape)
    part = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    shape = (part[0].stop - part[0].start, part[1].stop - part[1].start)
    maps = np.full((len(retrieval), *shape), np.nan, dtype=np.float32)
    maps[:, rows - rows.min(), columns - columns.min()] = retrieval
    return operator.coarse_grid[part], maps


def _write(home: Path, name: str, values: object, grid: GeoBox, times: object, unit: str) -> None:
    from headwater.grids import write_netcdf
    from headwater.grids.geometry import grid_coords

    dims = ("y", "x") if times is None else ("time", "y", "x")
    coords = grid_coords(grid) | ({} if times is None else {"time": times})
    cube = xr.DataArray(values, dims=dims, coords=coords, attrs={"units": unit, "long_name": name})
    write_netcdf(cube.to_dataset(name=name), home / f"{name}.nc")


def _stations(
    view: SatelliteView, truth: Any, grid: Any, times: Any, rng: np.random.Generator
) -> pd.DataFrame:
    from headwater.grids.geometry import grid_coords

    coords = grid_coords(grid)
    pixels = rng.permutation(truth[0].size)[:99]
    rows, columns = np.unravel_index(pixels, truth.shape[1:])
    parts = [
        pd.DataFrame(
            {
                "station": f"S{number:02d}",
                "longitude": float(coords["x"][column]),
                "latitude": float(coords["y"][row]),
                "time": times,
                "soil_moisture": np.clip(
                    truth[:, row, column] + rng.normal(0.0, 0.01, len(times)), 0.0, 1.0
                ).round(4),
            }
        )
        for number, (row, column) in enumerate(zip(rows, columns, strict=True))
    ]
    return pd.concat(parts, ignore_index=True).dropna()
