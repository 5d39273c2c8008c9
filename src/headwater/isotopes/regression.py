"""Straight lines through points by seven estimators, each with the covariance of its coefficients.

All functions take arrays of one length, without missing values, and return :class:`Coefficients`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Coefficients",
    "MomentMethod",
    "Moments2",
    "huber",
    "moment_line",
    "moment_slope",
    "moments2",
    "theil_sen",
    "york",
]

MomentMethod = Literal["ols", "rma", "ma"]


@dataclass(frozen=True, slots=True)
class Coefficients:
    """A fitted line ``y = slope x + intercept``.

    Attributes
    ----------
    slope, intercept : float
        In units of y/x and of y.
    slope_var, intercept_var, covariance : float
        Their variances and covariance.
    note : str
        What the estimator wants said, empty for nothing.
    """

    slope: float
    intercept: float
    slope_var: float
    intercept_var: float
    covariance: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Moments2:
    """Weighted means and second moments of two variables (arrays when taken of many draws)."""

    mean_x: Any
    mean_y: Any
    xx: Any
    yy: Any
    xy: Any


def moments2(x: Any, y: Any, weights: Any) -> Moments2:
    """Means and second moments about them.

    Parameters
    ----------
    x, y : array of shape (n,)
        Points.
    weights : array of shape (..., n)
        Weights of each draw, of any sum.

    Returns
    -------
    Moments2
        Of shape (...).

    Examples
    --------
    >>> moments2(np.array([0.0, 2.0]), np.array([1.0, 5.0]), np.ones(2)).xy
    np.float64(2.0)
    """
    total = weights.sum(axis=-1)
    # moments about a point near the data lose no digits
    ox, oy = float(np.mean(x)), float(np.mean(y))
    dx, dy = x - ox, y - oy
    mx, my = weights @ dx / total, weights @ dy / total
    xx = weights @ (dx * dx) / total - mx * mx
    yy = weights @ (dy * dy) / total - my * my
    return Moments2(ox + mx, oy + my, xx, yy, weights @ (dx * dy) / total - mx * my)


def moment_slope(moments: Moments2, method: MomentMethod) -> Any:
    """Slope of least squares (ols), reduced major axis (rma) or major axis (ma)."""
    m = moments
    if method == "ols":
        return m.xy / m.xx
    if method == "rma":
        return np.sign(m.xy) * np.sqrt(m.yy / m.xx)
    gap = m.yy - m.xx
    return (gap + np.sqrt(gap * gap + 4.0 * m.xy * m.xy)) / (2.0 * m.xy)


def moment_line(x: Any, y: Any, *, method: MomentMethod, weights: Any = None) -> Coefficients:
    """Fit a line from second moments, weighted or not.

    Parameters
    ----------
    x, y : array of shape (n,)
        Points, n ≥ 3.
    method : {"ols", "rma", "ma"}
        Least squares of y on x, reduced major axis, or major axis.
    weights : array of shape (n,), optional
        Amounts of precipitation [mm].

    Returns
    -------
    Coefficients

    Notes
    -----
    Covariance: of the least-squares line the classical one; of the others the delta method on the
    sample moments (sum of squared influences of the points, times n/(n-2)), which holds for any
    weights and for scatter that grows along the line.

    References
    ----------
    Crawford, Hughes & Lykoudis (2014), J. Hydrol. 519:2331. Hughes & Crawford (2012), J. Hydrol.
    464-465:344.

    Examples
    --------
    >>> fit = moment_line(np.array([0.0, 1, 2]), np.array([0.0, 3, 3]), method="ols")
    >>> round(fit.slope, 3), round(fit.intercept, 3)
    (1.5, 0.5)
    """
    n = len(x)
    share = np.full(n, 1.0 / n) if weights is None else weights / weights.sum()
    m = moments2(x, y, share)
    slope = float(moment_slope(m, method))
    dx, dy = x - m.mean_x, y - m.mean_y
    rest = dy - slope * dx
    if method == "ols":
        # mean-one weights: the variance of a point of average weight
        scatter = n * float(share @ rest**2) / (n - 2)
        slope_var = scatter / (n * m.xx)
        parts = np.array([slope_var, scatter / n + m.mean_x**2 * slope_var, -m.mean_x * slope_var])
    else:
        pull = share * _slope_influence(dx, dy, m, slope, method)
        lift = share * rest - m.mean_x * pull
        parts = np.array([pull @ pull, lift @ lift, pull @ lift]) * n / (n - 2)
    one, two, both = map(float, parts)
    return Coefficients(slope, float(m.mean_y - slope * m.mean_x), one, two, both)


def _slope_influence(
    dx: NDArray[Any], dy: NDArray[Any], m: Moments2, slope: float, method: MomentMethod
) -> Any:
    """How much a point moves the slope, per unit of its weight."""
    xx, yy, xy = dx * dx - m.xx, dy * dy - m.yy, dx * dy - m.xy
    if method == "rma":
        return 0.5 * slope * (yy / m.yy - xx / m.xx)
    # implicit derivative of xy a² - (yy - xx) a - xy = 0
    moved = -(xy * (slope * slope - 1.0) - (yy - xx) * slope)
    return moved / (2.0 * m.xy * slope - (m.yy - m.xx))


def huber(x: Any, y: Any, *, tuning: float = 1.345) -> Coefficients:
    """Fit a line that large residuals pull no more than middling ones.

    Parameters
    ----------
    x, y : array of shape (n,)
        Points, n ≥ 3.
    tuning : float
        Residual, in robust standard deviations, from where the pull stops to grow; 1.345 keeps
        95 % efficiency for normal scatter.

    Returns
    -------
    Coefficients

    Notes
    -----
    Iterated reweighting with the scale ``median|r| / 0.6745``. Covariance (Huber 1981, form 1):
    ``κ² s² Σψ²/(n-2) / (mean ψ')² (X'X)⁻¹``.

    References
    ----------
    Huber (1981), Robust Statistics, Wiley.

    Examples
    --------
    >>> x = np.arange(9.0); y = 2.0 * x + np.array([1, -1, 1, -1, 0, 1, -1, 1, 90.0]) * 0.01
    >>> round(huber(x, y).slope, 1)
    2.0
    """
    n = len(x)
    design = np.column_stack([x, np.ones(n)])
    fit = np.linalg.lstsq(design, y, rcond=None)[0]
    for _ in range(200):
        rest = y - design @ fit
        scale = max(float(np.median(np.abs(rest))) / 0.6745, 1e-12)
        root = np.sqrt(np.minimum(1.0, tuning * scale / np.maximum(np.abs(rest), 1e-300)))
        before, fit = fit, np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        if np.allclose(before, fit, rtol=1e-12, atol=1e-12):
            break
    standard = (y - design @ fit) / scale
    psi, steep = np.clip(standard, -tuning, tuning), np.abs(standard) < tuning
    mean = max(float(steep.mean()), 1.0 / n)
    kappa = 1.0 + 2.0 / n * float(steep.var()) / mean**2
    spread = (kappa * scale / mean) ** 2 * float(psi @ psi) / (n - 2)
    cov = spread * np.linalg.inv(design.T @ design)
    return Coefficients(
        float(fit[0]), float(fit[1]), float(cov[0, 0]), float(cov[1, 1]), float(cov[0, 1])
    )


def theil_sen(x: Any, y: Any) -> Coefficients:
    """Fit the median of all slopes between pairs of points.

    Parameters
    ----------
    x, y : array of shape (n,)
        Points, n ≥ 3.

    Returns
    -------
    Coefficients

    Notes
    -----
    Intercept: median of ``y - slope x``. Variance of the slope from the width of Sen's 68.3 %
    rank interval; of the intercept from the normal approximation of a median,
    ``π/2 · s²/n + x̃² var(slope)`` with s the robust scatter and x̃ the median of x.

    References
    ----------
    Sen (1968), J. Am. Stat. Assoc. 63:1379.

    Examples
    --------
    >>> round(theil_sen(np.arange(5.0), np.array([0.0, 1, 2, 3, 40])).slope, 3)
    1.0
    """
    n = len(x)
    first, second = np.triu_indices(n, 1)
    run = x[second] - x[first]
    slopes = np.sort((y[second] - y[first])[run != 0] / run[run != 0])
    slope = float(np.median(slopes))
    # Sen's interval at one standard deviation each side
    reach = np.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    places = (len(slopes) + np.array([-reach, reach])) / 2.0 - 0.5
    low, high = np.interp(places, np.arange(len(slopes)), slopes)
    slope_var = float(((high - low) / 2.0) ** 2)
    rest = y - slope * x
    intercept, middle = float(np.median(rest)), float(np.median(x))
    scatter = 1.4826 * float(np.median(np.abs(rest - intercept)))
    lift = np.pi / 2.0 * scatter**2 / n
    return Coefficients(
        slope, intercept, slope_var, lift + middle**2 * slope_var, -middle * slope_var
    )


def york(x: Any, y: Any, *, x_sd: Any, y_sd: Any, correlation: Any = 0.0) -> Coefficients:
    """Fit a line to points whose errors in both coordinates are known.

    Parameters
    ----------
    x, y : array of shape (n,)
        Points, n ≥ 3.
    x_sd, y_sd : array of shape (n,) or float
        Standard deviations of each point, above 0.
    correlation : array or float
        Correlation of the two errors of a point.

    Returns
    -------
    Coefficients
        Variances as York et al. give them, times the mean square weighted deviation where that
        exceeds 1; the note says so.

    References
    ----------
    York, Evensen, Martinez & Delgado (2004), Unified equations for the slope, intercept, and
    standard errors of the best straight line, Am. J. Phys. 72:367.

    Examples
    --------
    >>> x = np.array([0.0, 1, 2, 3]); y = np.array([0.1, 0.9, 2.1, 2.9])
    >>> round(york(x, y, x_sd=0.1, y_sd=0.1).slope, 3)
    0.963
    """
    wx, wy = 1.0 / np.square(np.broadcast_to(x_sd, x.shape)), 1.0 / np.square(y_sd + 0.0 * y)
    alpha = np.sqrt(wx * wy)
    slope = float(moment_slope(moments2(x, y, np.ones(len(x))), "rma"))
    for _ in range(500):
        before = slope
        weight = wx * wy / (wx + slope**2 * wy - 2.0 * slope * correlation * alpha)
        mean_x, mean_y = weight @ x / weight.sum(), weight @ y / weight.sum()
        u, v = x - mean_x, y - mean_y
        beta = weight * (u / wy + slope * v / wx - (slope * u + v) * correlation / alpha)
        slope = float(weight @ (beta * v) / (weight @ (beta * u)))
        if abs(slope - before) <= 1e-14 * max(1.0, abs(slope)):
            break
    intercept = float(mean_y - slope * mean_x)
    centre = float(weight @ (mean_x + beta) / weight.sum())
    slope_var = float(1.0 / (weight @ (mean_x + beta - centre) ** 2))
    deviation = float(weight @ (y - slope * x - intercept) ** 2) / (len(x) - 2)
    wide = max(deviation, 1.0)
    note = (
        f"scatter about the line is {np.sqrt(deviation):.1f} times the known errors; the standard "
        "errors are widened by this factor"
        if deviation > 1.0
        else ""
    )
    return Coefficients(
        slope,
        intercept,
        wide * slope_var,
        wide * (1.0 / float(weight.sum()) + centre**2 * slope_var),
        -wide * centre * slope_var,
        note,
    )
