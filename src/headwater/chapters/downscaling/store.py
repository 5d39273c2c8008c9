"""The downscaled product as a Zarr store, its maps, and its closure at the coarse cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

if TYPE_CHECKING:
    from headwater.chapters.downscaling.inputs import Task
    from headwater.downscaling.twins import TwinResult

__all__ = ["Drafts", "Product", "closure_of", "write_product"]

_BLOCK = 32
"""Days written at a time."""


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
    twin : TwinResult or None
        What tells the error; without it there are no error layers.
    """

    name: str
    interval: float
    longest_gap: int
    twin: TwinResult | None


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
    """

    def __init__(self, folder: Path, task: Task) -> None:
        shape = (task.predictors.times.size, task.support.n_fine)
        self._paths = [folder / f".{name}.npy" for name in ("mean", "sd")]
        self.mean, self.sd = (
            np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            for path in self._paths
        )
        self.filled = 0

    def add(self, mean: Any, sd: Any) -> None:
        """Add the next days."""
        days = slice(self.filled, self.filled + len(mean))
        self.mean[days], self.sd[days] = mean, sd
        self.filled = days.stop

    def remove(self) -> None:
        """Remove the files."""
        for path in self._paths:
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
        ``mean``, ``n``, ``observed``, and with twins ``error``.
    """
    from headwater.downscaling.observation_age import days_to_observation
    from headwater.grids import write_zarr

    days = task.predictors.times
    away = days_to_observation(np.isfinite(task.retrieval), task.support, days)
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
    rows, columns = task.inside.shape
    write_zarr(cube, path, chunks={"time": _BLOCK, "y": rows, "x": columns})
    store = xr.open_zarr(path, decode_coords="all")
    return _maps(store, product, task, away)


def _layers(product: Product, task: Task, drafts: Drafts, away: NDArray[np.int16]) -> Any:
    """Compose the layers lazily, in blocks of days: values, words and attributes by name."""
    import dask.array

    da: Any = dask.array

    chunks = (min(_BLOCK, len(away)), away.shape[1])
    mean, sd, apart = (da.from_array(x, chunks=chunks) for x in (drafts.mean, drafts.sd, away))
    known = (apart >= 0) & (apart <= product.longest_gap) & task.inside.ravel() & da.isfinite(mean)
    mean, name, twin = da.where(known, mean, np.float32(np.nan)), product.name, product.twin
    attrs = {"units": "m3 m-3", "kind": "continuous", "total": "mean"}
    layers = {name: (mean, "Soil moisture, downscaled", attrs)}
    if twin is not None:
        days = da.from_array(task.predictors.times[:, None], chunks=(chunks[0], 1))
        told = [
            da.map_blocks(_told, mean, sd, days, twin, which, dtype=np.float32)
            for which in range(3)
        ]
        share = f"{product.interval:.0%}"
        layers |= {
            f"{name}_sd": (told[0], "Standard error of soil moisture", attrs),
            f"{name}_low": (told[1], f"Lower bound of the {share} interval", attrs),
            f"{name}_high": (told[2], f"Upper bound of the {share} interval", attrs),
        }
    layers["days_to_observation"] = (
        apart,
        "Days to the nearest observation of the pixel's coarse cells",
        {"units": "d", "kind": "continuous", "total": "none", "comment": "-1: never observed"},
    )
    return layers


def _told(mean: Any, sd: Any, days: Any, twin: TwinResult, which: int) -> NDArray[np.float32]:
    """Compute the standard error (0), or the lower (1) or upper (2) bound, of some days."""
    from headwater.downscaling.observation_age import total_sd

    whole = np.where(np.isfinite(mean), total_sd(sd, twin.learner_sd), np.nan)
    if which == 0:
        return np.asarray(whole, dtype=np.float32)
    return np.asarray(
        twin.intervals.bounds(mean, whole, np.ravel(days))[which - 1], dtype=np.float32
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
    if product.twin is not None:
        square = (store[f"{product.name}_sd"].astype(np.float64) ** 2).sum("time").values
        layers["error"] = (np.sqrt(_over(square, n)), "Standard error of a day")
    units = {"observed": "%", "n": "d"}
    return xr.Dataset(
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


def _over(total: Any, n: Any) -> NDArray[np.float64]:
    return np.where(n > 0, np.asarray(total, dtype=float) / np.maximum(n, 1), np.nan)


def _place(task: Task) -> dict[str, Any]:
    return {name: task.like[name] for name in ("y", "x", "spatial_ref")}


def closure_of(drafts: Drafts, task: Task) -> pd.DataFrame:
    """Hold coarse means of the product against what was observed.

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
    told = {
        "bias": apart.mean() if some else np.nan,
        "rmse": float(np.sqrt((apart**2).mean())) if some else np.nan,
        "largest": np.abs(apart).max() if some else np.nan,
        "r": np.corrcoef(x, y)[0, 1] if len(apart) > 2 else np.nan,
        "n": len(apart),
    }
    table = pd.DataFrame([told])
    table.attrs["units"] = dict.fromkeys(("bias", "rmse", "largest"), "m3 m-3")
    return table
