"""Coupling a learner with wavelets in time: what each of its models is trained on and fed with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.predictors import Predictors, coarse_predictors
from headwater.downscaling.wavelets import fill_in_time, low_pass
from headwater.errors import DataError, nearest

if TYPE_CHECKING:
    from headwater.downscaling.support_operator import Support

__all__ = [
    "COUPLINGS",
    "Coupling",
    "coarse_noise",
    "coarse_views",
    "estimate_mb",
    "fill_predictors",
]

Floats = NDArray[np.float32]

COUPLINGS = ("none", "smooth", "bands")
"""One model of everything as it comes; one model in which noisy predictors are replaced by their
slow part; two models, of the slow and of the quick part of target and predictors, whose predictions
are added (the mode of the study)."""


@dataclass(frozen=True, slots=True)
class Coupling:
    """How target and predictors are split in time.

    Attributes
    ----------
    kind : {"none", "smooth", "bands"}
        See :data:`COUPLINGS`.
    wavelet : str
        Mother wavelet, by PyWavelets' name.
    level : int
        Number of halvings: what lasts longer than about 2^level days is slow.
    """

    kind: str = "none"
    wavelet: str = "db4"
    level: int = 3

    def check(self) -> None:
        """Refuse an unknown kind.

        Raises
        ------
        DataError
            If the kind is unknown.
        """
        if self.kind not in COUPLINGS:
            do = nearest(self.kind, COUPLINGS)
            raise DataError("unknown coupling with wavelets", found=repr(self.kind), do=do)

    def views(self, predictors: Predictors) -> tuple[Predictors, ...]:
        """Split the fine predictors: one view of them for each model.

        Parameters
        ----------
        predictors : Predictors
            Without gaps in time, from :func:`fill_predictors`; a pixel may be missing throughout.

        Returns
        -------
        tuple of Predictors
        """
        if self.kind == "none":
            return (predictors,)
        chosen = predictors.noisy if self.kind == "smooth" else tuple(predictors.dynamic)
        slow = {name: self._slow(_in_memory(predictors.dynamic[name])) for name in chosen}
        first = replace(predictors, dynamic={**predictors.dynamic, **slow})
        if self.kind == "smooth":
            return (first,)
        quick = {name: _Rest(cube, slow[name]) for name, cube in predictors.dynamic.items()}
        return first, replace(predictors, dynamic=quick)

    def split(self, values: NDArray[np.floating]) -> tuple[NDArray[np.floating], ...]:
        """Split the coarse target, filled before and masked after.

        Parameters
        ----------
        values : array (time, cell)
            NaN where missing.

        Returns
        -------
        tuple of array (time, cell)
            One for each model; their sum is `values`.
        """
        if self.kind != "bands":
            return (values,)
        filled, missing = fill_in_time(values)
        slow = np.where(missing, np.nan, self._slow(filled))
        return slow, values - slow

    def split_noise(self, white: Floats) -> tuple[Floats, ...]:
        """Pass white noise through the filters that the noisy predictors pass.

        Parameters
        ----------
        white : array (time, ...)

        Returns
        -------
        tuple of array (time, ...)
            One for each model.
        """
        if self.kind == "none":
            return (white,)
        slow = low_pass(white, wavelet=self.wavelet, level=self.level).astype(np.float32)
        return (slow,) if self.kind == "smooth" else (slow, white - slow)

    def _slow(self, cube: NDArray[np.floating]) -> NDArray[np.floating]:
        """Keep the slow part of every series that is whole; the others stay missing."""
        flat = cube.reshape(len(cube), -1)
        whole = np.isfinite(flat).all(axis=0)
        slow = np.full_like(flat, np.nan)
        if whole.all():
            slow = low_pass(flat, wavelet=self.wavelet, level=self.level)
        elif whole.any():
            slow[:, whole] = low_pass(flat[:, whole], wavelet=self.wavelet, level=self.level)
        return slow.reshape(cube.shape)


class _Rest:
    """A cube minus its slow part, made on the day it is asked for."""

    def __init__(self, cube: Any, slow: Floats) -> None:
        self.cube, self.slow = cube, slow
        self.shape, self.ndim = slow.shape, slow.ndim

    def __len__(self) -> int:
        return len(self.slow)

    def __getitem__(self, day: int) -> Floats:
        return np.asarray(np.asarray(self.cube[day], dtype=np.float32) - self.slow[day])


def fill_predictors(predictors: Predictors, *, limit: int | None) -> Predictors:
    """Fill gaps of the noisy predictors in time, and say so.

    Parameters
    ----------
    predictors : Predictors
        As observed, with gaps under cloud.
    limit : int or None
        Longest gap that is filled [d]; None for any.

    Returns
    -------
    Predictors
        With what was filled among its notes; cubes without gaps are passed on as they are.
    """
    filled: dict[str, Any] = {}
    notes = list(predictors.notes)
    for name in predictors.noisy:
        cube = predictors.dynamic[name]
        if not any(np.isnan(np.asarray(cube[day])).any() for day in range(len(cube))):
            continue
        values, missing = fill_in_time(_in_memory(cube), limit=limit)
        filled[name] = values
        left = np.isnan(values).mean()
        notes.append(
            f"{name}: {missing.mean():.1%} of the values were missing and lie on straight lines "
            f"between the days around; {left:.1%} stay missing."
        )
    if not filled:
        return predictors
    return replace(predictors, dynamic={**predictors.dynamic, **filled}, notes=tuple(notes))


def coarse_noise(
    names: tuple[str, ...],
    noise: Mapping[str, float],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> Floats:
    """Draw white noise for every noisy predictor of every day and cell.

    Parameters
    ----------
    names : tuple of str
        All predictors, in the order of the columns.
    noise : mapping of str to float
        Standard deviation by predictor.
    shape : tuple of int
        Days and cells.
    rng : numpy Generator
        Where the numbers come from.

    Returns
    -------
    array of float32 (time, cell, predictor)
        0 for predictors without noise.
    """
    drawn = np.zeros((*shape, len(names)), dtype=np.float32)
    for at, name in enumerate(names):
        if noise.get(name, 0.0) > 0.0:
            drawn[:, :, at] = noise[name] * rng.standard_normal(shape, dtype=np.float32)
    return drawn


def coarse_views(
    views: tuple[Predictors, ...], support: Support, *, min_seen: float = 0.5
) -> tuple[Floats, ...]:
    """Average every view over the coarse cells.

    Parameters
    ----------
    views : tuple of Predictors
        From :meth:`Coupling.views`.
    support : Support
        The operator A.
    min_seen : float
        Least share of a cell's weights that must have a value.

    Returns
    -------
    tuple of array (time, cell, predictor)
    """
    return tuple(coarse_predictors(view, support, min_seen=min_seen) for view in views)


def estimate_mb(predictors: Predictors, cells: int, coupling: Coupling) -> float:
    """Estimate the memory that training and prediction need next to the inputs.

    Parameters
    ----------
    predictors : Predictors
        What would be used.
    cells : int
        Number of coarse cells.
    coupling : Coupling
        How they would be split.

    Returns
    -------
    float
        [MB]
    """
    days, pixels = predictors.times.size, int(np.prod(predictors.shape))
    copies = {"none": 0, "smooth": len(predictors.noisy), "bands": len(predictors.dynamic)}
    cubes = copies[coupling.kind] * days * pixels * 4
    tables = 6 * days * cells * len(predictors.names) * 4
    work = 20 * pixels * len(predictors.names) * 4
    return (cubes + tables + work) / 1e6


def _in_memory(cube: ArrayLike) -> Floats:
    return np.asarray(cube, dtype=np.float32)
