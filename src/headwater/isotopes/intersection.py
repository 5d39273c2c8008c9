"""Evaporation lines: which slopes they can have, and where they leave the meteoric line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import StudyError
from headwater.isotopes.evaporation import Climate, evaporation_slope
from headwater.isotopes.lines import WaterLine
from headwater.isotopes.regression import MomentMethod, moment_slope, moments2
from headwater.isotopes.results import CrossingTable
from headwater.results import TableResult, of_inputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "Crossing",
    "Envelope",
    "bootstrap_crossing",
    "crossings",
    "intersect",
    "judge_lines",
    "slope_envelope",
]


@dataclass(frozen=True, slots=True)
class Crossing:
    """The point where two lines meet: the initial water, if it means anything.

    Attributes
    ----------
    d18O, d2H : float
        [‰ VSMOW]; NaN where refused.
    d18O_sd, d2H_sd : float
        Standard deviations to first order [‰].
    covariance : float
        Of the two [‰²].
    d18O_low, d18O_high : float
        Fieller's interval of δ¹⁸O [‰]; NaN where it is not finite.
    level : float
        Of that interval [1].
    slope_gap, slope_gap_se : float
        Difference of the slopes and its standard error [1].
    status : {"ok", "near-parallel", "refused"}
        Whether the point may be used.
    reason : str
        Why not, empty where it may.
    """

    d18O: float
    d2H: float
    d18O_sd: float
    d2H_sd: float
    covariance: float
    d18O_low: float
    d18O_high: float
    level: float
    slope_gap: float
    slope_gap_se: float
    status: str = "ok"
    reason: str = ""


def intersect(
    lmwl: WaterLine, lel: WaterLine, *, level: float = 0.95, min_gap: float = 0.5
) -> Crossing:
    """Intersect a meteoric line with an evaporation line.

    Parameters
    ----------
    lmwl, lel : WaterLine
        The two lines, fitted to different samples (their errors are taken as independent).
    level : float
        Of Fieller's interval [1].
    min_gap : float
        Difference of slopes [1] below which the crossing is marked near-parallel.

    Returns
    -------
    Crossing
        Refused, with NaN, where the slopes do not differ at this level: Fieller's interval is then
        unbounded and any water on the line could be the source.

    Raises
    ------
    StudyError
        If the level is not between 0 and 1.

    Notes
    -----
    With D = a - aE: ``O* = (bE - b) / D``, ``∂O*/∂(a, b, aE, bE) = (-O*, -1, O*, 1) / D``, and
    ``H* = a O* + b``. Fieller: all O with ``(bE - b - O D)² ≤ z² var(bE - b - O D)``.

    References
    ----------
    Fieller (1954), Some problems in interval estimation, J. R. Stat. Soc. B 16:175,
    doi:10.1111/j.2517-6161.1954.tb00159.x.

    Examples
    --------
    >>> from headwater.isotopes.lines import GMWL
    >>> point = intersect(GMWL, WaterLine(5.0, -35.0))
    >>> point.d18O, point.d2H, point.status
    (-15.0, -110.0, 'ok')
    >>> intersect(GMWL, WaterLine(7.8, 6.0)).status
    'near-parallel'
    """
    from scipy.special import ndtri

    if not 0.0 < level < 1.0:
        raise StudyError(
            "the level of an interval lies between 0 and 1", found=f"{level:g}", do="Use 0.95"
        )
    z = float(ndtri(0.5 + level / 2.0))
    gap, lift = lmwl.slope - lel.slope, lel.intercept - lmwl.intercept
    gap_var = lmwl.slope_se**2 + lel.slope_se**2
    lift_var = lmwl.intercept_se**2 + lel.intercept_se**2
    shared = -(lmwl.covariance + lel.covariance)
    bounded = gap**2 - z**2 * gap_var
    if not bounded > 0:
        return _refused(lmwl, lel, level)
    d18O = lift / gap
    variance, covariance, d2H_var = _first_order(lmwl, lel, d18O, gap)
    middle = lift * gap - z**2 * shared
    root = np.sqrt(max(middle**2 - bounded * (lift**2 - z**2 * lift_var), 0.0))
    near = abs(gap) < min_gap
    reason = (
        f"the slopes differ by only {abs(gap):.2f}: a change of 0.1 in one moves the crossing by "
        f"{abs(d18O) * 0.1 / abs(gap):.1f} ‰ or more in δ¹⁸O"
        if near
        else ""
    )
    return Crossing(
        d18O,
        lmwl(d18O),
        float(np.sqrt(variance)),
        float(np.sqrt(d2H_var)),
        covariance,
        (middle - root) / bounded,
        (middle + root) / bounded,
        level,
        gap,
        float(np.sqrt(gap_var)),
        "near-parallel" if near else "ok",
        reason,
    )


def _refused(lmwl: WaterLine, lel: WaterLine, level: float) -> Crossing:
    """Give no point where the slopes do not differ beyond their errors."""
    gap, no = lmwl.slope - lel.slope, float("nan")
    gap_se = float(np.sqrt(lmwl.slope_se**2 + lel.slope_se**2))
    reason = (
        f"the slopes {lmwl.slope:.2f} and {lel.slope:.2f} do not differ beyond their errors "
        f"({abs(gap):.2f} ± {gap_se:.2f}): no finite interval, any water on the "
        "meteoric line could be the source"
    )
    return Crossing(no, no, no, no, no, no, no, level, gap, gap_se, "refused", reason)


def _first_order(lmwl: WaterLine, lel: WaterLine, d18O: float, gap: float) -> tuple[float, ...]:
    """Variance of O*, covariance of O* and H*, variance of H*."""
    cov = np.zeros((4, 4))
    for at, line in ((0, lmwl), (2, lel)):
        cov[at : at + 2, at : at + 2] = [
            [line.slope_se**2, line.covariance],
            [line.covariance, line.intercept_se**2],
        ]
    to_o = np.array([-d18O, -1.0, d18O, 1.0]) / gap
    to_h = lmwl.slope * to_o + np.array([d18O, 1.0, 0.0, 0.0])
    parts = to_o @ cov @ to_o, to_o @ cov @ to_h, to_h @ cov @ to_h
    return tuple(float(part) for part in parts)


@of_inputs
def crossings(lmwl: WaterLine, lines: Iterable[WaterLine], **options: Any) -> CrossingTable:
    """Intersect a meteoric line with many evaporation lines.

    Parameters
    ----------
    lmwl : WaterLine
        The meteoric line.
    lines : iterable of WaterLine
        For example ``LineTable.lines()``.
    **options
        As for :func:`intersect`.

    Returns
    -------
    CrossingTable

    Examples
    --------
    >>> from headwater.isotopes.lines import GMWL
    >>> crossings(GMWL, [WaterLine(5.0, -35.0, label="June")]).data[["label", "d18O"]].values
    array([['June', -15.0]], dtype=object)
    """
    found = [(line.label, intersect(lmwl, line, **options)) for line in lines]
    table = pd.DataFrame([{"label": label, **asdict(point)} for label, point in found])
    table.attrs["units"] = dict.fromkeys(
        ("d18O", "d2H", "d18O_sd", "d2H_sd", "d18O_low", "d18O_high"), "‰"
    )
    return CrossingTable(
        table,
        "Crossing of the local meteoric line with each evaporation line; errors to first order "
        "with the covariance of slope and intercept, interval by Fieller",
        ("Fieller (1954), J. R. Stat. Soc. B 16:175, doi:10.1111/j.2517-6161.1954.tb00159.x",),
        cautions=tuple(f"{label}: {point.reason}" for label, point in found if point.reason),
    )


def bootstrap_crossing(
    meteoric: ArrayLike,
    evaporated: ArrayLike,
    *,
    rng: np.random.Generator,
    n_resamples: int = 2000,
    method: MomentMethod = "ols",
    level: float = 0.95,
) -> tuple[Any, tuple[float, float]]:
    """Resample both sets of waters and intersect their lines each time.

    Parameters
    ----------
    meteoric, evaporated : array of shape (n, 2)
        δ¹⁸O and δ²H [‰ VSMOW] of the two sets; incomplete rows do not count.
    rng : Generator
        Random numbers.
    n_resamples : int
        Number of resamples.
    method : {"ols", "rma", "ma"}
        Estimator of both lines.
    level : float
        Of the interval [1].

    Returns
    -------
    points : array of shape (n_resamples, 2)
        δ¹⁸O and δ²H of each crossing [‰].
    interval : tuple of float
        Percentiles of δ¹⁸O [‰].

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(-12, 3, 40); z = rng.normal(-8, 2, 40)
    >>> rain = np.column_stack([x, 8 * x + 10 + rng.normal(0, 2, 40)])
    >>> soil = np.column_stack([z, 4 * z - 40 + rng.normal(0, 2, 40)])
    >>> points, (low, high) = bootstrap_crossing(rain, soil, rng=rng, n_resamples=500)
    >>> bool(low < -12.5 < high)
    True
    """
    fits = []
    for cloud in (meteoric, evaporated):
        points = np.asarray(cloud, dtype=float)
        points = points[np.isfinite(points).all(axis=1)]
        counts = rng.multinomial(
            len(points), np.full(len(points), 1.0 / len(points)), size=n_resamples
        )
        m = moments2(points[:, 0], points[:, 1], counts.astype(float))
        slope = moment_slope(m, method)
        fits.append((slope, m.mean_y - slope * m.mean_x))
    (a, b), (ae, be) = fits
    d18O = (be - b) / (a - ae)
    edges = np.quantile(d18O, [0.5 - level / 2.0, 0.5 + level / 2.0])
    return np.column_stack([d18O, a * d18O + b]), (float(edges[0]), float(edges[1]))


@dataclass(frozen=True, slots=True)
class Envelope:
    """Lowest and highest slope that evaporation has in a range of climates.

    Attributes
    ----------
    low, high : float
        With vapour in equilibrium with the rain (k = 1) [1].
    seasonal_high : float
        With vapour that hardly follows the rain (k = 0.5) [1].
    climate : str
        The range, in words.
    mean, sd : float
        Over all climates of the range, each as likely as another, with k = 1 [1].
    """

    low: float
    high: float
    seasonal_high: float
    climate: str
    mean: float
    sd: float


def slope_envelope(
    d18O: float,
    d2H: float,
    *,
    temperature: tuple[float, float] = (0.0, 15.0),
    humidity: tuple[float, float] = (0.3, 0.85),
    turbulence: tuple[float, float] = (0.5, 1.0),
    lost: tuple[float, float] = (0.01, 0.4),
) -> Envelope:
    """Compute the slopes of all climates in a range.

    Parameters
    ----------
    d18O, d2H : float
        The water before evaporation [‰ VSMOW].
    temperature, humidity, turbulence, lost : tuple of float
        Lowest and highest [degC], [1], [1], [1].

    Returns
    -------
    Envelope

    References
    ----------
    Benettin et al. (2018), Effects of climatic seasonality on the isotopic composition of
    evaporating soil waters, Hydrol. Earth Syst. Sci. 22:2881, doi:10.5194/hess-22-2881-2018.

    Examples
    --------
    >>> found = slope_envelope(-15.0, -106.07)
    >>> round(found.low, 1), round(found.high, 1), round(found.seasonal_high, 1)
    (2.6, 4.4, 6.5)
    >>> round(found.mean, 1), round(found.sd, 1)
    (3.3, 0.4)
    """
    axes = [np.linspace(*pair, 9) for pair in (temperature, humidity, turbulence, lost)]
    t, h, n, x = np.meshgrid(*axes, indexing="ij")
    full, half = (
        evaporation_slope((d18O, d2H), Climate(t, h, n, seasonality), lost=x)
        for seasonality in (1.0, 0.5)
    )
    words = (
        f"{temperature[0]:g} to {temperature[1]:g} °C, humidity {humidity[0]:g} to "
        f"{humidity[1]:g}, n {turbulence[0]:g} to {turbulence[1]:g}, {100 * lost[0]:.0f} to "
        f"{100 * lost[1]:.0f} % evaporated"
    )
    moments = float(full.mean()), float(full.std())
    return Envelope(float(full.min()), float(full.max()), float(half.max()), words, *moments)


@of_inputs
def judge_lines(lines: Iterable[WaterLine], envelope: Envelope, *, z: float = 1.96) -> TableResult:
    """Say of each fitted line whether evaporation alone can have drawn it.

    Parameters
    ----------
    lines : iterable of WaterLine
        Fitted evaporation lines.
    envelope : Envelope
        From :func:`slope_envelope`.
    z : float
        Standard errors that a slope must exceed the envelope by.

    Returns
    -------
    TableResult
        ``label``, ``slope``, ``slope_se``, ``verdict`` and its ``reason``. Verdicts: "evaporation
        line"; "steep: only with seasonal vapour"; "mixing line, not an evaporation line"; "too
        flat for evaporation".

    Examples
    --------
    >>> judge_lines([WaterLine(7.4, -2.0)], slope_envelope(-15.0, -106.07)).data["verdict"][0]
    'mixing line, not an evaporation line'
    """
    table = pd.DataFrame([_judge(line, envelope, z) for line in lines])
    mixed = int((table["verdict"] == _MIXING).sum()) if len(table) else 0
    warning = (
        f"{mixed} of {len(table)} lines are steeper than evaporation can be "
        f"({envelope.climate}): they join waters of different seasons, and their crossing with the "
        "meteoric line is not the initial water."
    )
    return TableResult(
        table,
        f"Slopes against the Craig-Gordon model ({envelope.climate})",
        (
            "Benettin et al. (2018), Hydrol. Earth Syst. Sci. 22:2881, "
            "doi:10.5194/hess-22-2881-2018",
        ),
        cautions=(warning,) if mixed else (),
    )


_MIXING = "mixing line, not an evaporation line"


def _judge(line: WaterLine, envelope: Envelope, z: float) -> dict[str, Any]:
    reach = z * line.slope_se
    if line.slope - reach > envelope.seasonal_high:
        verdict = _MIXING
        reason = f"steeper than {envelope.seasonal_high:.1f}, the most that evaporation reaches"
    elif line.slope - reach > envelope.high:
        verdict = "steep: only with seasonal vapour"
        reason = (
            f"steeper than {envelope.high:.1f}, the most with vapour in equilibrium with the rain; "
            f"up to {envelope.seasonal_high:.1f} with vapour that hardly follows it"
        )
    elif line.slope + reach < envelope.low:
        verdict = "too flat for evaporation"
        reason = f"flatter than {envelope.low:.1f}, the least that evaporation reaches"
    else:
        verdict, reason = "evaporation line", "within what evaporation can draw"
    return {
        "label": line.label,
        "slope": line.slope,
        "slope_se": line.slope_se,
        "verdict": verdict,
        "reason": reason,
    }
