"""Which slopes evaporation can have: a steeper fitted line mixes waters of different seasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from headwater.isotopes.evaporation import Climate, evaporation_slope
from headwater.isotopes.lines import WaterLine
from headwater.results import TableResult, of_inputs

__all__ = ["Envelope", "judge_lines", "slope_envelope"]


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
