"""How much more noise a fine predictor has than its mean over a coarse cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwater.downscaling.predictors import Predictors
from headwater.downscaling.wavelets import fill_in_time
from headwater.errors import DataError

if TYPE_CHECKING:
    from headwater.downscaling.support_operator import Support

__all__ = ["excess_noise", "noise_level"]

_MAD_TO_SD = 0.6744897501960817
"""Median of the absolute value of a standard normal variate."""

_PIXELS = 1500


def noise_level(series: Any, *, wavelet: str = "db4") -> float:
    r"""Estimate the standard deviation of white noise in series that change slowly.

    Parameters
    ----------
    series : array (time, ...)
        Any unit; NaN where missing.
    wavelet : str
        Mother wavelet, by PyWavelets' name.

    Returns
    -------
    float
        [unit of `series`]; NaN if no stretch is without gaps.

    Raises
    ------
    DataError
        If the series are shorter than the wavelet.

    Notes
    -----
    :math:`\hat\sigma = \operatorname{median} |d| / 0.6745`, with d all coefficients of the finest
    detail whose days are all there [1]_. Noise that lasts from day to day is seen in part only.

    References
    ----------
    .. [1] Donoho, D. L., & Johnstone, I. M. (1994). Ideal spatial adaptation by wavelet shrinkage.
       Biometrika 81, 425-455. https://doi.org/10.1093/biomet/81.3.425

    Examples
    --------
    >>> days, rng = np.arange(800)[:, None], np.random.default_rng(1)
    >>> slow = 10 * np.cos(days / 58)
    >>> round(noise_level(slow + rng.normal(0, 1.5, (800, 20))), 1)
    1.5
    """
    import pywt
    from scipy.ndimage import maximum_filter1d

    values = np.asarray(series, dtype=np.float64).reshape(len(series), -1)
    length = pywt.Wavelet(wavelet).dec_len
    if len(values) < 2 * length:
        raise DataError(
            "a series is too short to distinguish noise from change",
            found=f"{len(values)} days; {wavelet} needs {2 * length}",
            do="Give a longer series, a shorter wavelet, or the noise itself",
        )
    filled, missing = fill_in_time(values)
    known = ~missing.all(axis=0)
    if not known.any():
        return float("nan")
    detail = pywt.dwt(filled[:, known], wavelet, "symmetric", axis=0)[1]
    # a coefficient reaches over `length` days, which end about two days after twice its number
    touched = maximum_filter1d(missing[:, known], 2 * length - 1, axis=0)
    last = np.clip(2 * np.arange(len(detail)) - length // 2 + 1, 0, len(values) - 1)
    sound = np.abs(detail[~touched[last]])
    return float(np.median(sound) / _MAD_TO_SD) if sound.size else float("nan")


def excess_noise(
    predictors: Predictors,
    support: Support,
    coarse: NDArray[np.floating],
    *,
    wavelet: str = "db4",
) -> dict[str, float]:
    r"""Estimate the noise that averaging over the coarse cells has taken out of each predictor.

    Parameters
    ----------
    predictors : Predictors
        On the fine grid.
    support : Support
        The operator A; pixels that it does not use are left out.
    coarse : array (time, cell, predictor)
        Their means, from :func:`headwater.downscaling.predictors.coarse_predictors`.
    wavelet : str
        Mother wavelet, by PyWavelets' name.

    Returns
    -------
    dict of str to float
        Standard deviation for every noisy predictor [unit of the predictor], 0 where none is found.

    Notes
    -----
    A learner trained on means over some fifty pixels meets, at the fine scale, predictors whose
    errors have not been averaged: it then trusts them too much. Training with this noise added
    [1]_, :math:`\sigma^2 = \hat\sigma_{fine}^2 - \hat\sigma_{coarse}^2` by :func:`noise_level`,
    lets it meet in training what it will meet in use.

    References
    ----------
    .. [1] Bishop, C. M. (1995). Training with noise is equivalent to Tikhonov regularization.
       Neural Computation 7, 108-116. https://doi.org/10.1162/neco.1995.7.1.108
    """
    used = np.flatnonzero(np.asarray(support.matrix.sum(axis=0)).ravel() > 0)
    step = max(1, used.size // _PIXELS)
    pixels = used[step // 2 :: step]
    found = {}
    for name in predictors.noisy:
        cube = predictors.dynamic[name]
        fine = np.stack([np.asarray(cube[day]).reshape(-1)[pixels] for day in range(len(cube))])
        level = noise_level(fine, wavelet=wavelet)
        mean_level = noise_level(coarse[:, :, predictors.names.index(name)], wavelet=wavelet)
        excess = np.sqrt(max(level**2 - mean_level**2, 0.0))
        found[name] = float(np.nan_to_num(excess, nan=0.0))
    return found
