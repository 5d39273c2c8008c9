"""The product as a Zarr store, its maps, pixels without a value, and its closure at the cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.sharing import OnDisk

if TYPE_CHECKING:
    from headwater.chapters.downscaling.inputs import Task
    from headwater.downscaling.intervals import IntervalScale

__all__ = ["Drafts", "Errors", "Product", "REASONS", "closure_of", "count_reasons", "write_product"]

_BLOCK = 32
"""Days written at a time."""


REASONS = (
    "value",
    "value_filled_from_next_cell",
    "value_water_in_cell",
    "none_outside_area",
    "none_predictor_missing",
    "none_in_no_cell",
    "none_cell_not_observed",
)
"""Meanings of the layer ``reason``, from 0 on."""


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """What turns the residual field's standard deviation into errors and intervals.

    Attributes
    ----------
    sd : float
        Error beyond that of the residual field [m3 m-3].
    intervals : IntervalScale
        Calibrated on twins.
    assumptions : str
        What both hold under.
    """

    sd: float
    intervals: IntervalScale
    assumptions: str


@dataclass(frozen=True, slots=True)
class Product:
    """What is written.

    Attributes
    ----------
    name : str
        Of the variable.
    interval : float
        Share that intervals should hold.
    longest_gap : int
        Days from an observation beyond which nothing is given.
    errors : Errors or None
        From the twins; without them there are no error layers.
    fill_edges : bool
        Whether pixels in no cell take part in the observations of the nearest.
    method : str
        How the values were made.
    max_water : float
        Share of open water above which a cell is flagged [1].
    """

    name: str
    interval: float
    longest_gap: int
    errors: Errors | None
    fill_edges: bool = True
    method: str = "downscaled"
    max_water: float = 0.05


class Drafts:
    """Mean and standard deviation of the residual field of every day, in files, day after day.

    Parameters
    ----------
    folder : Path
        Where the files lie until :meth:`remove`.
    task : Task
        Of the downscaling.

    Attributes
    ----------
    mean, sd : ndarray of float32, shape (n_days, n_pixels)
        [m3 m-3], mapped from files.
    filled : int
        Days added so far.
    paths : list of Path
        The files.
    """

    def __init__(self, folder: Path, task: Task) -> None:
        shape = (task.predictors.times.size, task.support.n_fine)
        self.paths = [folder / f".{name}.npy" for name in ("mean", "sd")]
        self.mean, self.sd = (
            np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            for path in self.paths
        )
        self.filled = 0

    def add(self, mean: Any, sd: Any) -> None:
        """Add the next days."""
        days = slice(self.filled, self.filled + len(mean))
        self.mean[days], self.sd[days] = mean, sd
        self.filled = days.stop

    def replace(self, maps: object) -> None:
        """Take other maps of all days, whose standard deviation is not known day by day."""
        self.mean[:], self.sd[:] = maps, np.nan

    def remove(self) -> None:
        """Remove the files."""
        for path in self.paths:
            path.unlink(missing_ok=True)


def write_product(path: Path, product: Product, task: Task, drafts: Drafts) -> xr.Dataset:
    """Write every layer of every day, and sum them up as maps.

    Parameters
    ----------
    path : Path
        Of the Zarr store.
    product : Product
        What is written.
    task : Task
        Of the downscaling.
    drafts : Drafts
        All days.

    Returns
    -------
    Dataset (y, x)
        ``mean``, ``nearest`` and ``bilinear`` (means of the same days without a model), ``n``,
        ``observed``, ``reason``, with twins ``error``, and ``water`` where it is known.
    """
    from headwater.downscaling.observation_age import days_to_observation
    from headwater.grids import write_zarr

    days = task.predictors.times
    away = days_to_observation(
        np.isfinite(task.retrieval), task.support, days, fill_edges=product.fill_edges
    )
    for part in (drafts.mean, drafts.sd):
        part.flush()
    layers = _layers(product, task, drafts, away)
    coords = {**_place(task), "time": days.astype("datetime64[ns]")}
    cube = xr.Dataset(
        {
            name: xr.DataArray(
                values.reshape(-1, *task.inside.shape),
                dims=("time", "y", "x"),
                attrs={"long_name": words, **attrs},
            )
            for name, (values, words, attrs) in layers.items()
        },
        coords=coords,
    )
    cube["reason"] = _reasons(product, task, drafts, away)
    rows, columns = task.inside.shape
    write_zarr(cube, path, chunks={"time": _BLOCK, "y": rows, "x": columns})
    store = xr.open_zarr(path, decode_coords="all")
    return _maps(store, product, task, away)


def _layers(product: Product, task: Task, drafts: Drafts, away: NDArray[np.int16]) -> Any:
    """Compose the layers lazily, in blocks of days: values, words and attributes by name."""
    import dask.array

    da: Any = dask.array

    chunks = (min(_BLOCK, len(away)), away.shape[1])
    # files travel as their names
    drawn = (*map(OnDisk, drafts.paths), away)
    mean, sd, apart = (da.from_array(x, chunks=chunks) for x in drawn)
    known = (apart >= 0) & (apart <= product.longest_gap) & task.inside.ravel() & da.isfinite(mean)
    mean, name, errors = da.where(known, mean, np.float32(np.nan)), product.name, product.errors
    attrs = {"units": "m3 m-3", "kind": "continuous", "total": "mean"}
    layers = {name: (mean, f"Soil moisture, {product.method}", attrs)}
    if errors is not None:
        days = da.from_array(task.predictors.times[:, None], chunks=(chunks[0], 1))
        made = [
            da.map_blocks(_bounds, mean, sd, days, errors, which, dtype=np.float32)
            for which in range(3)
        ]
        share = f"{product.interval:.0%}"
        attrs = attrs | {"comment": errors.assumptions}
        layers |= {
            f"{name}_sd": (made[0], "Standard error of soil moisture", attrs),
            f"{name}_low": (made[1], f"Lower bound of the {share} interval", attrs),
            f"{name}_high": (made[2], f"Upper bound of the {share} interval", attrs),
        }
    layers["days_to_observation"] = (
        apart,
        "Days to the nearest observation of the pixel's coarse cells",
        {"units": "d", "kind": "continuous", "total": "none", "comment": "-1: never observed"},
    )
    return layers


def _bounds(mean: Any, sd: Any, days: Any, errors: Errors, which: int) -> NDArray[np.float32]:
    """Compute the standard error (0), or the lower (1) or upper (2) bound, of some days."""
    from headwater.downscaling.observation_age import total_sd

    whole = np.where(np.isfinite(mean), total_sd(sd, errors.sd), np.nan)
    if which == 0:
        return np.asarray(whole, dtype=np.float32)
    return np.asarray(
        errors.intervals.bounds(mean, whole, np.ravel(days))[which - 1], dtype=np.float32
    )


def _maps(store: xr.Dataset, product: Product, task: Task, away: NDArray[np.int16]) -> xr.Dataset:
    series = store[product.name]
    n = series.count("time").values
    inside = np.where(task.inside, n, np.nan)
    observed = 100.0 * (away == 0).mean(axis=0).reshape(n.shape)
    layers = {
        "mean": (_over(series.sum("time").values, n), "Mean of the downscaled soil moisture"),
        "observed": (
            np.where(task.inside, observed, np.nan),
            "Days with an observation",
        ),
        "n": (inside, "Days with a value"),
    }
    if product.errors is not None:
        square = (store[f"{product.name}_sd"].astype(np.float64) ** 2).sum("time").values
        layers["error"] = (np.sqrt(_over(square, n)), "Standard error of a day")
    layers |= _baselines(store[product.name], task)
    if task.water is not None:
        layers["water"] = (task.water, "Largest share of open water of a coarse cell")
    units = {"observed": "%", "n": "d", "water": "1"}
    maps = xr.Dataset(
        {
            name: xr.DataArray(
                values.astype(np.float32),
                dims=("y", "x"),
                attrs={"long_name": words, "units": units.get(name, "m3 m-3")},
            )
            for name, (values, words) in layers.items()
        },
        coords=_place(task),
    )
    maps["reason"] = store["reason"].load().drop_vars("time", errors="ignore")
    return maps


def _baselines(series: xr.DataArray, task: Task) -> dict[str, Any]:
    """Average what needs no model over the days and cells of the product."""
    from headwater.downscaling.baselines import BASELINES, interpolate_cells

    found = {}
    words = {"nearest": "repeated from the nearest cell", "bilinear": "interpolated bilinearly"}
    known = np.isfinite(series.values).reshape(len(series), -1)
    n = known.sum(axis=0).reshape(task.inside.shape)
    for name in BASELINES:
        maps = interpolate_cells(
            task.retrieval, task.support, method=name, times=task.predictors.times
        )
        total = np.where(known, maps, 0.0).sum(axis=0).reshape(n.shape)
        found[name] = (_over(total, n), f"Mean of the coarse soil moisture {words[name]}")
    return found


def _reasons(product: Product, task: Task, drafts: Drafts, away: Any) -> xr.DataArray:
    """Say of every pixel why it has no value on any day, or what is to be known of it."""
    inside = task.inside.ravel()
    predicted = np.zeros(away.shape[1], dtype=bool)
    valued = predicted.copy()
    for start in range(0, len(away), _BLOCK):
        block = slice(start, start + _BLOCK)
        there = np.isfinite(drafts.mean[block])
        near = (away[block] >= 0) & (away[block] <= product.longest_gap)
        predicted |= there.any(axis=0)
        valued |= (there & near).any(axis=0) & inside
    alone = np.asarray(task.support.matrix.sum(axis=0)).ravel() == 0
    codes = np.select(
        [~inside, ~predicted, ~valued & alone, ~valued, alone],
        [3, 4, 5, 6, 1],
        default=0,
    ).astype(np.int8)
    if task.water is not None:
        codes[(codes == 0) & (task.water.ravel() > product.max_water)] = 2
    return xr.DataArray(
        codes.reshape(task.inside.shape),
        dims=("y", "x"),
        attrs={
            "long_name": "Why a pixel has no value, or what is to be known of it",
            "flag_values": np.arange(len(REASONS), dtype=np.int8),
            "flag_meanings": " ".join(REASONS),
            "kind": "categorical",
            "units": "1",
        },
    )


def count_reasons(maps: xr.Dataset) -> pd.DataFrame:
    """Count the pixels of the study area by reason.

    Parameters
    ----------
    maps : Dataset (y, x)
        From :func:`write_product`.

    Returns
    -------
    DataFrame
        ``reason``, ``pixels`` and ``share`` of the study area [1].
    """
    codes = maps["reason"].values.astype(int)
    counts = np.bincount(codes.ravel(), minlength=len(REASONS))
    whole = counts.sum() - counts[3]
    words = [name.replace("_", " ").replace("none ", "no value: ") for name in REASONS]
    table = pd.DataFrame({"reason": words, "pixels": counts, "share": counts / max(whole, 1)})
    inside = table.drop(index=3)
    table = inside[inside["pixels"] > 0].reset_index(drop=True)
    table.attrs["units"] = {"share": "1"}
    return table


def _over(total: ArrayLike, n: Any) -> NDArray[np.float64]:
    return np.where(n > 0, np.asarray(total, dtype=float) / np.maximum(n, 1), np.nan)


def _place(task: Task) -> dict[str, Any]:
    return {name: task.like[name] for name in ("y", "x", "spatial_ref")}


def closure_of(drafts: Drafts, task: Task) -> pd.DataFrame:
    """Compare coarse means of the product with what was observed.

    Parameters
    ----------
    drafts : Drafts
        All days.
    task : Task
        Of the downscaling.

    Returns
    -------
    DataFrame
        One row: ``bias``, ``rmse``, ``largest`` [m3 m-3], ``r`` and ``n``; cells of which less than
        half has a value on the day are left out.
    """
    observed, product = [], []
    for start in range(0, len(task.retrieval), _BLOCK):
        block = slice(start, start + _BLOCK)
        coarse, seen = task.support.aggregate(np.asarray(drafts.mean[block], dtype=float))
        both = np.isfinite(task.retrieval[block]) & (seen >= 0.5)
        observed.append(task.retrieval[block][both])
        product.append(coarse[both])
    x, y = np.concatenate(product), np.concatenate(observed)
    apart = x - y
    some = len(apart) > 0
    found = {
        "bias": apart.mean() if some else np.nan,
        "rmse": float(np.sqrt((apart**2).mean())) if some else np.nan,
        "largest": np.abs(apart).max() if some else np.nan,
        "r": np.corrcoef(x, y)[0, 1] if len(apart) > 2 else np.nan,
        "n": len(apart),
    }
    table = pd.DataFrame([found])
    table.attrs["units"] = dict.fromkeys(("bias", "rmse", "largest"), "m3 m-3")
    return table
