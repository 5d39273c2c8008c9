"""Fish-scale pits and contour ditches: how much runoff they cut, and where they may be dug."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import StudyError
from headwater.restoration.profile import MeasureProfile, read_profile

__all__ = [
    "HarvestStore",
    "earthwork_refusals",
    "runoff_cut",
    "storm_runoff",
]

Floats = NDArray[np.float64]


def _shipped(name: str) -> float:
    return read_profile().number(name)


@dataclass(frozen=True, slots=True)
class HarvestStore:
    """A field of pits: what share of the runoff it catches, and how much it holds.

    Attributes
    ----------
    curve_number : float
        Of the slope, 30 to 100 [1].
    capture : float
        Share of the runoff that reaches a pit [1].
    volume : float
        Water that all pits hold, spread over the field [mm].

    Notes
    -----
    The default is that of the shipped profile, calibrated to three events of Fu et al. (2010),
    Trans. ASABE 53(1), 157-162: three numbers for three points, which is a calibration and no test.
    For other curve numbers the cut differs; report the range.
    """

    curve_number: float = field(default_factory=partial(_shipped, "calibrated_curve_number"))
    capture: float = field(default_factory=partial(_shipped, "calibrated_capture"))
    volume: float = field(default_factory=partial(_shipped, "calibrated_store"))

    def __post_init__(self) -> None:
        """Refuse what no slope is."""
        if not (30 <= self.curve_number <= 100 and 0 <= self.capture <= 1 and self.volume >= 0):
            raise StudyError(
                "a field of pits that cannot be",
                found=f"curve number {self.curve_number:g}, capture {self.capture:g}, "
                f"volume {self.volume:g} mm",
                do="Give a curve number of 30 to 100, a share of 0 to 1, and a volume",
            )


def storm_runoff(rain: ArrayLike, curve_number: ArrayLike) -> Floats:
    """Compute the runoff of an event by the curve-number method.

    Parameters
    ----------
    rain : array-like
        Of the event [mm].
    curve_number : array-like
        [1]

    Returns
    -------
    ndarray
        ``(P - 0.2 S)² / (P + 0.8 S)`` with ``S = 25400 / CN - 254`` [mm]; 0 up to 0.2 S.

    References
    ----------
    USDA NRCS, National Engineering Handbook, part 630, chapter 10 (2004).

    Examples
    --------
    >>> storm_runoff([54, 120, 160], 77.589).round(2).tolist()
    [13.72, 62.08, 96.57]
    """
    p, number = np.asarray(rain, dtype=np.float64), np.asarray(curve_number, dtype=np.float64)
    store = 25400 / number - 254
    above = np.maximum(p - 0.2 * store, 0.0)
    return np.asarray(above**2 / (p + 0.8 * store + 1e-300))


def runoff_cut(rain: ArrayLike, store: HarvestStore | None = None) -> Floats:
    """Compute which share of an event's runoff pits keep.

    Parameters
    ----------
    rain : array-like
        Of each event; pits are empty before it [mm].
    store : HarvestStore, optional

    Returns
    -------
    ndarray
        ``min(c Q, V) / Q`` [1]; NaN where there is no runoff.

    Examples
    --------
    >>> runoff_cut([54, 120, 160]).round(2).tolist()
    [0.39, 0.28, 0.18]
    """
    chosen = store or HarvestStore()
    runoff = storm_runoff(rain, chosen.curve_number)
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = np.minimum(chosen.capture * runoff, chosen.volume) / runoff
    return np.asarray(np.where(runoff > 0, kept, np.nan))


def earthwork_refusals(
    *,
    slope: float,
    soil_depth: float | None,
    permafrost: bool,
    thaw_depth: float | None = None,
    depth: float | None = None,
    kind: Literal["pits", "ditches"] = "pits",
    override: str = "",
    profile: MeasureProfile | None = None,
) -> tuple[str, ...]:
    """Say what forbids digging at a place.

    Parameters
    ----------
    slope : float
        [degrees]
    soil_depth : float or None
        [m]; None: not known.
    permafrost : bool
        Whether the place is mapped as permafrost.
    thaw_depth : float, optional
        Of the active layer [m].
    depth : float, optional
        Of pits or ditches; default: that of the profile [m].
    kind : {"pits", "ditches"}
    override : str
        A person's reason to dig on permafrost, or where the ground thaws too little, all the same.
    profile : MeasureProfile, optional
        Of which the limits are taken.

    Returns
    -------
    tuple of str
        Reasons; empty where nothing forbids it.

    Notes
    -----
    Slopes of 15-45° for pits come from a popular page (secondary). No source gives a limit for
    permafrost: refusing on mapped permafrost, and where the ground thaws less than half a metre
    below the pit, unless a person overrides with a reason, is our proposal.

    Examples
    --------
    >>> earthwork_refusals(slope=20, soil_depth=0.8, permafrost=False)
    ()
    >>> len(earthwork_refusals(slope=50, soil_depth=0.3, permafrost=True))
    3
    """
    limits = profile or read_profile()
    one = "pit" if kind == "pits" else "ditch"
    deep = limits.number(f"{one}_depth") if depth is None else depth
    reasons = []
    low, high = limits.between(f"{one}_slope")
    if not low <= slope <= high:
        reasons.append(f"slope {slope:.1f}°: {kind} are for {low:g} to {high:g}°")
    if soil_depth is None:
        reasons.append("soil depth is not known: dig a trial pit first")
    elif soil_depth < deep + limits.number("soil_below_pit"):
        reasons.append(f"soil of {soil_depth:g} m is too thin for a depth of {deep:g} m")
    shallow = thaw_depth is not None and thaw_depth < deep + limits.number("thaw_below_pit")
    if permafrost and not override.strip():
        reasons.append("permafrost: no earthwork without a person's reason")
    elif shallow and not override.strip():
        reasons.append(
            f"the ground thaws only {thaw_depth:g} m deep: no earthwork without a person's reason"
        )
    return tuple(reasons)
