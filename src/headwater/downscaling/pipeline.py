"""From coarse retrievals to fine soil moisture: the learner and, on top, what it left over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.covariance import estimate_covariance
from headwater.downscaling.residual import ResidualField, ResidualMethod, fit_residual
from headwater.downscaling.training import DownscalingModel, Recipe, fit_downscaling

if TYPE_CHECKING:
    from headwater.downscaling.predictors import Predictors
    from headwater.downscaling.stations import StationResiduals
    from headwater.downscaling.support_operator import Support

__all__ = ["Downscaled", "disaggregate_residuals", "downscale"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Downscaled:
    """Fine soil moisture of every day, with the residual field's standard deviation.

    Attributes
    ----------
    model : DownscalingModel
        The learner.
    residual : ResidualField
        What it left over.
    """

    model: DownscalingModel
    residual: ResidualField

    def predict(
        self, days: ArrayLike | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predict some days.

        Parameters
        ----------
        days : array-like of datetime64, optional
            Default: all.

        Returns
        -------
        mean, sd : ndarray of float32, shape (n, n_pixels)
            [m3 m-3]; the sd is that of the residual field alone.
        """
        parts = list(self.stream(days))
        return np.concatenate([one[1] for one in parts]), np.concatenate([one[2] for one in parts])

    def stream(
        self, days: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.datetime64], NDArray[np.float32], NDArray[np.float32]]]:
        """Predict a few days at a time.

        Parameters
        ----------
        days : array-like of datetime64, optional
            Default: all.

        Yields
        ------
        tuple
            Days (b,), mean and sd (b, n_pixels) [m3 m-3].
        """
        for some, maps in self.model.stream(days):
            mean, sd = self.residual.predict(some)
            whole = maps.reshape(len(maps), -1) + mean
            yield some, np.maximum(whole, 0.0).astype(np.float32), sd


def downscale(
    retrieval: ArrayLike,
    predictors: Predictors,
    support: Support,
    recipe: Recipe | None = None,
    *,
    residual: ResidualMethod = "soft",
    uncertainty: bool = True,
    rng: np.random.Generator,
) -> Downscaled:
    """Train, spread the residuals, and return what predicts every pixel and day.

    Parameters
    ----------
    retrieval : array, shape (n_days, n_cells)
        Coarse soil moisture on the days of `predictors`; NaN where not observed [m3 m-3].
    predictors : Predictors
        On the fine grid.
    support : Support
        Of the cells over the pixels.
    recipe : Recipe, optional
        How to train; with folds, for residuals must be out of fold.
    residual : {"soft", "exact", "bilinear", "none"}
        As of :func:`headwater.downscaling.residual.fit_residual`.
    uncertainty : bool
        Whether the residual field's standard deviation is computed.
    rng : numpy Generator
        The same state gives the same bits.

    Returns
    -------
    Downscaled

    Raises
    ------
    DataError, GridError, TimeAxisError
        As of :func:`headwater.downscaling.training.fit_downscaling` and `fit_residual`.

    Examples
    --------
    ``downscale(smap, predictors, support, rng=rng).predict(days)`` returns mean and sd.
    """
    model = fit_downscaling(retrieval, predictors, support, recipe, rng=rng)
    return disaggregate_residuals(model, retrieval, residual=residual, uncertainty=uncertainty)


def disaggregate_residuals(
    model: DownscalingModel,
    retrieval: ArrayLike,
    *,
    residual: ResidualMethod = "soft",
    stations: StationResiduals | None = None,
    uncertainty: bool = True,
) -> Downscaled:
    """Spread what a trained model left over.

    Parameters
    ----------
    model : DownscalingModel
        Trained with folds.
    retrieval : array, shape (n_days, n_cells)
        What it was trained on [m3 m-3].
    residual : {"soft", "exact", "bilinear", "none"}
        As of :func:`headwater.downscaling.residual.fit_residual`.
    stations : StationResiduals, optional
        What stations measured beyond the model's prediction.
    uncertainty : bool
        Whether the residual field's standard deviation is computed.

    Returns
    -------
    Downscaled

    Raises
    ------
    DataError, GridError
        As of `fit_residual`.

    Examples
    --------
    ``disaggregate_residuals(fit_downscaling(smap, predictors, support), smap, stations=stations)``
    """
    observed = np.asarray(retrieval, dtype=float)
    left, covariance = observed - model.out_of_fold, None
    days, support = model.views[0].times, model.support
    if residual == "exact":
        covariance = estimate_covariance(left, support, days)
        left = observed - _cells(model, support)
    field = fit_residual(
        left,
        support,
        days,
        method=residual,
        covariance=covariance,
        stations=stations,
        uncertainty=uncertainty,
        memory_mb=model.recipe.memory_mb,
    )
    return Downscaled(model, field)


def _cells(model: DownscalingModel, support: Support) -> Floats:
    return np.concatenate(
        [
            support.aggregate(maps.reshape(len(maps), -1).astype(float)).value
            for _, maps in model.stream()
        ]
    )
