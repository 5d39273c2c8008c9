"""Deuterium excess and line-conditioned excess, with what they do not know about themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import ArrayLike

    from headwater.isotopes.lines import WaterLine

__all__ = ["d_excess", "d_excess_sd", "lc_excess", "lc_excess_normalised", "with_excess"]


def d_excess(d18O: Any, d2H: Any) -> Any:
    """Deuterium excess.

    Parameters
    ----------
    d18O, d2H : array-like
        δ [‰ VSMOW].

    Returns
    -------
    array-like
        d [‰].

    Notes
    -----
    ``d = δ²H - 8 δ¹⁸O``. It is linear, so the d of two means is the mean of the d.

    References
    ----------
    Dansgaard (1964), Stable isotopes in precipitation, Tellus 16:436,
    doi:10.3402/tellusa.v16i4.8993.

    Examples
    --------
    >>> round(d_excess(-12.0, -89.78), 2)
    6.22
    """
    return d2H - 8.0 * d18O


def with_excess(samples: pd.DataFrame, tracers: Iterable[str]) -> pd.DataFrame:
    """Add the deuterium excess where it is a tracer and no column.

    Parameters
    ----------
    samples : DataFrame
        Samples, with δ [‰ VSMOW].
    tracers : iterable of str
        Tracers that are asked for.

    Returns
    -------
    DataFrame
        The same samples, with ``d_excess`` [‰] where it is asked for and both isotopes are there.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"d18O": [-10.0], "d2H": [-70.0]})
    >>> with_excess(frame, ["d18O", "d_excess"])["d_excess"].tolist()
    [10.0]
    >>> with_excess(frame, ["d18O", "d2H"]).columns.tolist()
    ['d18O', 'd2H']
    """
    if "d_excess" in tracers and "d_excess" not in samples and {"d18O", "d2H"} <= set(samples):
        return samples.assign(d_excess=d_excess(samples["d18O"], samples["d2H"]))
    return samples


def d_excess_sd(d18O_sd: ArrayLike, d2H_sd: ArrayLike, covariance: ArrayLike = 0.0) -> Any:
    """Propagate errors into the deuterium excess, with the covariance of the two isotopes.

    Parameters
    ----------
    d18O_sd, d2H_sd : array-like
        Standard deviations [‰].
    covariance : array-like
        Covariance of δ¹⁸O and δ²H [‰²]: 0 for independent analytical errors, strongly positive
        within a group of samples.

    Returns
    -------
    array
        [‰].

    Notes
    -----
    ``σ_d² = σ_H² + 64 σ_O² - 16 σ_HO``.

    Examples
    --------
    >>> round(float(d_excess_sd(0.2, 0.5)), 2)
    1.68
    """
    variance = np.square(d2H_sd) + 64.0 * np.square(d18O_sd) - 16.0 * np.asarray(covariance)
    return np.sqrt(np.maximum(variance, 0.0))


def lc_excess(d18O: Any, d2H: Any, line: WaterLine) -> Any:
    """Distance in δ²H above a meteoric water line.

    Parameters
    ----------
    d18O, d2H : array-like
        δ [‰ VSMOW].
    line : WaterLine
        The local meteoric water line ``δ²H = a δ¹⁸O + b``.

    Returns
    -------
    array-like
        ``δ²H - a δ¹⁸O - b`` [‰]; evaporated water lies below 0.

    References
    ----------
    Landwehr & Coplen (2006), Line-conditioned excess: a new method for characterizing stable
    hydrogen and oxygen isotope ratios in hydrologic systems, IAEA-CN-118/56.

    Examples
    --------
    >>> from headwater.isotopes.lines import GMWL
    >>> round(lc_excess(-11.18, -73.1, GMWL), 2)
    6.34
    """
    return d2H - line.slope * d18O - line.intercept


def lc_excess_normalised(
    d18O: ArrayLike, d2H: ArrayLike, line: WaterLine, *, d18O_sd: ArrayLike, d2H_sd: ArrayLike
) -> Any:
    """Line-conditioned excess in units of its own analytical error (lc-excess*).

    Parameters
    ----------
    d18O, d2H : array-like
        δ [‰ VSMOW].
    line : WaterLine
        The local meteoric water line.
    d18O_sd, d2H_sd : array-like
        Analytical standard deviations [‰].

    Returns
    -------
    array-like
        ``(δ²H - a δ¹⁸O - b) / S``, ``S = √(σ_H² + (a σ_O)²)`` [1].

    References
    ----------
    Landwehr & Coplen (2006), as for :func:`lc_excess`; the normalised form is recalled, unchecked.

    Examples
    --------
    >>> from headwater.isotopes.lines import GMWL
    >>> round(float(lc_excess_normalised(-11.18, -73.1, GMWL, d18O_sd=0.1, d2H_sd=0.6)), 2)
    6.34
    """
    spread = np.hypot(d2H_sd, line.slope * np.asarray(d18O_sd))
    return lc_excess(d18O, d2H, line) / spread
