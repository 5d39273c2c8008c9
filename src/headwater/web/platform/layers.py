"""What a study's results have to show on a map, found in its folder by name and kind."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from headwater.errors import HeadwaterError, ResumeError
from headwater.results import fingerprint
from headwater.study.folder import finished_steps
from headwater.web.platform.quantise import Scale, nice_breaks
from headwater.web.platform.wording import CODES, GROUPS, NAMED, class_of, title_of, word

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Layer",
    "Legend",
    "correlations",
    "find_layers",
    "legend_of",
    "open_values",
    "read_map",
    "reading",
]

Kind = Literal["continuous", "diverging", "percentile", "classes"]
Selection = tuple[tuple[str, int], ...]
_SAMPLES = 12
"""Times of a cube that are looked at to choose its scale."""
_MOST_CLASSES = 24
_MOST_RANKED = 400_000_000
"""Values of a cube of which percentiles are shown: a block of them reads the whole of it."""
_DIVERGING = re.compile(
    r"(states\.loss|states\.water_part|ssi|trend\.(ols_)?slope|\.(anomaly_|best_)?r(\..+)?|change_shift|anomaly)$"
)
_PLAIN = re.compile(
    r"(^|_)(p|n|z|sd|se|smallest_p|n_effective|p_effective|significant)$|_(low|high)$|concentr"
)
_CLASSES = re.compile(r"(stratum|change_last|_class|grade|state)$")


@dataclass(frozen=True, slots=True)
class Layer:
    """One map, or one a day, of a study.

    Attributes
    ----------
    id : str
        Made of the step, the result and the variable.
    group : str
        Under which it is listed.
    title : tuple of str
        In English and Chinese.
    units : str
    kind : {"continuous", "diverging", "percentile", "classes"}
    path : Path
        Of the file; never given to a browser.
    variable : str
    select : tuple of (dimension, place)
        For a variable with more dimensions.
    cube : bool
        Whether there is a map for each time.
    mask : str
        Variable of the same file that says which cells are significant; empty where none does.
    fingerprint : str
        Of the result, so that a map once fetched can be kept for ever.
    derived : {"", "percentile", "dominant"}
        Computed from other layers when asked for.
    notes : tuple of str
        What the result's own card warns of.
    """

    id: str
    group: str
    title: tuple[str, str]
    units: str
    kind: Kind
    path: Path
    variable: str
    select: Selection = ()
    cube: bool = False
    mask: str = ""
    fingerprint: str = ""
    derived: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Legend:
    """What the bytes of a layer mean.

    Attributes
    ----------
    scale : Scale
    classes : tuple of (value, label, label in Chinese)
        Of a layer of classes; else empty.
    """

    scale: Scale
    classes: tuple[tuple[float, str, str], ...] = ()


def open_values(layer: Layer) -> xr.DataArray:
    """Open the values of a layer, without reading them.

    Parameters
    ----------
    layer : Layer

    Returns
    -------
    DataArray
        Dims (time, y, x) or (y, x).

    Raises
    ------
    ResumeError
        If its file is gone or half-written: a study that is being run again.
    """
    found = _open(layer.path)[layer.variable]
    return found.isel(dict(layer.select)) if layer.select else found


def _open(path: Path) -> xr.Dataset:
    import xarray as xr

    from headwater.grids.write import own_words

    engine: Any = "zarr" if path.suffix == ".zarr" else "h5netcdf"
    try:
        return own_words(xr.open_dataset(path, engine=engine, decode_coords="all"))
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Refuse in a sentence what is cut or damaged inside, which shows only when it is read.

    Parameters
    ----------
    path : Path
        Of the result.

    Raises
    ------
    ResumeError
        Naming the result, whatever its decoder says.
    """
    try:
        yield
    except HeadwaterError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ResumeError:
    return ResumeError(
        "a result that cannot be read",
        found=f"{path.parent.name}/{path.name}, cut or damaged ({type(error).__name__})",
        do="Wait until the run has finished, or run the study again",
    )


@lru_cache(maxsize=24)
def read_map(layer: Layer) -> NDArray[np.float32]:
    """Read a whole map, or take the one that was read before.

    Of NetCDF files only the one variable is opened: xarray looks at all of them, which takes a
    tenth of a second.

    Raises
    ------
    KeyError
        If the file has no such variable.
    ResumeError
        If it is gone or half-written.
    """
    if layer.path.suffix != ".nc" or layer.select:
        return np.asarray(open_values(layer).values, dtype=np.float32)
    import h5py

    try:
        with h5py.File(layer.path, "r") as file:
            held = file[layer.variable]
            values, attrs = held[...].astype(np.float32), dict(held.attrs)
    except OSError as error:
        raise _unreadable(layer.path, error) from error
    fill = attrs.get("_FillValue")
    if fill is not None:
        values[values == np.float32(np.ravel(fill)[0])] = np.nan
    scale, offset = (
        np.ravel(attrs.get(k, d))[0] for k, d in (("scale_factor", 1), ("add_offset", 0))
    )
    found: NDArray[np.float32] = (values * scale + offset).astype(np.float32)
    return found


def find_layers(results: Path) -> tuple[Layer, ...]:
    """List all layers of a results folder, in the order in which they are shown.

    Parameters
    ----------
    results : Path

    Returns
    -------
    tuple of Layer
        Of steps that have finished; what cannot be read is left out.
    """
    found: list[Layer] = []
    for step in finished_steps(results):
        folder = results / step
        for path in sorted((*folder.glob("*.zarr"), *folder.glob("*.nc"))):
            twice = path.suffix == ".zarr" and path.with_suffix(".nc").exists()
            on_the_way = path.suffix == ".zarr" and step not in {"grids", "downscaling"}
            if not twice and not on_the_way:
                found += _readable(path, step)
    found += _derived(found)
    return tuple(sorted(found, key=_rank))


def _readable(path: Path, step: str) -> list[Layer]:
    try:
        card = json.loads((path.parent / "step.json").read_text(encoding="utf-8"))
        with _open(path) as maps:
            return list(_layers_of(maps, path, step, str(card["fingerprint"])))
    except (HeadwaterError, OSError, ValueError, KeyError):
        return []


def _layers_of(maps: xr.Dataset, path: Path, step: str, print_: str) -> Iterator[Layer]:
    notes = _notes(path)
    for name in map(str, maps.data_vars):
        values = maps[name]
        spatial = values.dims[-2:] == ("y", "x")
        if not spatial or values.dtype.kind not in "fiub" or _PLAIN.search(name):
            continue
        for select, part in _selections(maps, name):
            parts = (step, path.stem, *((name,) if name != path.stem else ()))
            id = re.sub(r"[^A-Za-z0-9_.-]+", "-", ".".join((*parts, *((part,) if part else ()))))
            yield Layer(
                id=id,
                group=_group(step, path.stem, name, part),
                title=title_of(
                    step, path.stem, name, part, str(values.attrs.get("long_name", name))
                ),
                units=str(values.attrs.get("units", "")),
                kind=_kind(values, id),
                path=path,
                variable=name,
                select=select,
                cube=values.dims[0] == "time",
                mask=_mask_of(maps, name),
                fingerprint=fingerprint(print_, id),
                notes=notes,
            )


def _kind(values: xr.DataArray, id: str) -> Kind:
    flagged = "flag_values" in values.attrs or values.attrs.get("kind") == "categorical"
    if flagged or values.dtype.kind == "b" or _CLASSES.search(str(values.name)):
        return "classes"
    return "diverging" if _DIVERGING.search(id) else "continuous"


def _notes(path: Path) -> tuple[str, ...]:
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return tuple(map(str, card.get("cautions", ())))
    except (OSError, ValueError):
        return ()


def _selections(maps: xr.Dataset, name: str) -> Iterator[tuple[Selection, str]]:
    """List the maps of a variable of three dimensions, such as one for each factor."""
    more = maps[name].dims[:-2]
    if not more or more == ("time",):
        yield (), ""
    elif len(more) == 1 and maps.sizes[more[0]] <= _MOST_CLASSES:
        dim = str(more[0])
        for k in range(maps.sizes[dim]):
            yield ((dim, k),), str(maps[dim].values[k]) if dim in maps.coords else str(k + 1)


def _mask_of(maps: xr.Dataset, name: str) -> str:
    """Name the variable that says where a map is significant."""
    mask = "anomaly_significant" if name == "anomaly_r" else "significant"
    reported = name in {"slope", "ols_slope", "r", "anomaly_r", "best_r"} and mask in maps.data_vars
    return mask if reported and maps[mask].dims == maps[name].dims else ""


def legend_of(layer: Layer, correlations: Sequence[Layer] = ()) -> Legend:
    """Read what is needed to choose the scale or the classes of a layer.

    Parameters
    ----------
    layer : Layer
    correlations : sequence of Layer
        As from :func:`correlations`, for the layer that names the leading factor.

    Returns
    -------
    Legend
    """
    if layer.derived == "dominant":
        named = enumerate(word(_factor_of(one)) for one in correlations)
        return Legend(Scale((0.0, 1.0)), tuple((float(k), *names) for k, names in named))
    if layer.derived == "percentile":
        return Legend(Scale((0.0, 100.0)))
    values = open_values(layer)
    sample = _sample(values, layer.cube)
    classes = _classes(values, sample) if layer.kind == "classes" else ()
    return Legend(Scale(nice_breaks(sample, symmetric=layer.kind == "diverging")), classes)


def _sample(values: xr.DataArray, cube: bool) -> Any:
    if not cube:
        return np.asarray(values.values, dtype=np.float64)
    n = values.sizes["time"]
    at = np.unique(np.linspace(0, n - 1, min(n, _SAMPLES)).astype(int))
    return np.stack([values.isel(time=int(k)).values for k in at]).astype(np.float64)


def _classes(values: xr.DataArray, sample: Any) -> tuple[tuple[float, str, str], ...]:
    flags, words = values.attrs.get("flag_values"), values.attrs.get("flag_meanings")
    if flags is not None and words:
        pairs = zip(np.atleast_1d(np.asarray(flags)), str(words).split(), strict=False)
        return tuple((float(value), *class_of(name)) for value, name in pairs)
    codes = CODES.get(str(values.name))
    if codes is not None:
        return tuple((float(k), *class_of(name)) for k, name in enumerate(codes))
    found = np.unique(sample[np.isfinite(sample)])
    if values.dtype.kind == "b":
        return tuple((float(v), "yes" if v else "no", "是" if v else "否") for v in found)
    return tuple((float(v), f"{v:g}", f"{v:g}") for v in found[:250])


def _group(step: str, stem: str, name: str, part: str) -> str:
    if part or stem == "coverage" or name.startswith("ols_"):
        return "further"
    if step == "grids":
        if stem in {"soil_moisture", "soil_water"}:
            return "water"
        return "terrain" if name in {"elevation", "slope", "aspect", "vegetation"} else "climate"
    if step == "variation":
        return "change" if stem.startswith("soil_moisture") else "further"
    known = {"correlation": "drivers", "detector": "drivers", "downscaling": "water"}
    if step in {"vegetation", "warning"}:
        parts = (step, stem) if name == stem else (step, stem, name)
        return step if ".".join(parts) in NAMED else "further"
    group = known.get(step, step)
    return group if group in GROUPS else "further"


def correlations(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Pick the correlations of anomalies with each factor, in the order of the factors' names."""
    return tuple(sorted((one for one in layers if _factor_of(one)), key=_factor_of))


def _factor_of(layer: Layer) -> str:
    found = re.fullmatch(r"correlation\.with-(\w+)\.anomaly_r", layer.id)
    return found[1] if found else ""


def _ranked(layer: Layer) -> bool:
    """Return whether a cube is small enough for its days to be ranked when they are asked for."""
    return layer.cube and open_values(layer).size <= _MOST_RANKED


def _derived(found: Sequence[Layer]) -> list[Layer]:
    """Layers that are computed from others when they are asked for."""
    made: list[Layer] = []
    water = next((one for one in found if one.id == "grids.soil_moisture" and _ranked(one)), None)
    if water is not None:
        title = ("Soil moisture percentile", "土壤水分百分位")
        print_ = fingerprint(water.fingerprint, "percentile")
        made.append(replace(water, id="percentile", title=title, units="%", kind="percentile"))
        made[-1] = replace(made[-1], derived="percentile", fingerprint=print_)
    green = next((one for one in found if one.id == "grids.ndvi" and _ranked(one)), None)
    if green is not None:
        title = ("NDVI percentile", "NDVI 百分位")
        print_ = fingerprint(green.fingerprint, "percentile")
        made.append(replace(green, id="ndvi_percentile", title=title, group="vegetation"))
        made[-1] = replace(
            made[-1], units="%", kind="percentile", derived="percentile", fingerprint=print_
        )
    factors = correlations(found)
    if len(factors) > 1:
        title = ("Leading factor of the anomalies", "距平的主导因子")
        print_ = fingerprint([one.fingerprint for one in factors], "dominant")
        made.append(replace(factors[0], id="dominant", title=title, kind="classes", units=""))
        made[-1] = replace(made[-1], derived="dominant", fingerprint=print_, mask="")
    return made


_FIRST = (
    "grids.soil_moisture",
    "percentile",
    "variation.soil_moisture-season.mean",
    "variation.soil_moisture-trend.slope",
    "variation.soil_moisture-trend.trend_class",
    "variation.soil_moisture-cv_interannual.cv",
    "variation.soil_moisture-cv_monthly.cv",
    "dominant",
)


def _rank(layer: Layer) -> tuple[int, int, str]:
    order = (*_FIRST, *NAMED)
    first = order.index(layer.id) if layer.id in order else len(order)
    return list(GROUPS).index(layer.group), first, layer.title[0]
