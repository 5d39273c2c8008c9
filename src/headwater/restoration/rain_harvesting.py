"""Fish-scale pits and contour ditches: how much runoff they cut, and where they may be dug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import StudyError

__all__ = [
    "FU_2010",
    "HarvestStore",
    "PitLayout",
    "earthwork_refusals",
    "pit_layout",
    "runoff_cut",
    "storm_runoff",
]

Floats = NDArray[np.float64]

FU_2010 = ((54.0, 39.0), (120.0, 28.0), (160.0, 18.0))
"""Rain of an event [mm] and runoff cut by fish-scale pits [%]: Fu et al. (2010), Trans. ASABE
53(1), 157-162, abstract read."""


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
    The default is calibrated to :data:`FU_2010`: three numbers for three points, which is a
    calibration and no test. For other curve numbers the cut differs; report the range.
    """

    curve_number: float = 77.589
    capture: float = 0.39
    volume: float = 17.383

    def __post_init__(self) -> None:
        """Refuse what no slope is."""
        if not (30 <= self.curve_number <= 100 and 0 <= self.capture <= 1 and self.volume >= 0):
            raise StudyError(
                "a field of pits that cannot be",
                found=f"curve number {self.curve_number:g}, capture {self.capture:g}, "
                f"volume {self.volume:g} mm",
                do="Give a curve number of 30 to 100, a share of 0 to 1, and a volume",
            )


@dataclass(frozen=True, slots=True)
class PitLayout:
    """Pits on a slope.

    Attributes
    ----------
    per_hectare : float
        Number of pits [ha-1].
    volume_each : float
        [m3]
    volume : float
        Of all pits, spread over the field [mm].
    spacing, row_distance : float
        Between centres along the contour, and between rows along the slope [m].
    plants_water : float
        Water that one event of the design storm adds at each pit [L].
    """

    per_hectare: float
    volume_each: float
    volume: float
    spacing: float
    row_distance: float
    plants_water: float


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


def pit_layout(
    *,
    diameter: float = 1.0,
    depth: float = 0.4,
    spacing: float | None = None,
    row_distance: float = 4.0,
    storm: float = 54.0,
    store: HarvestStore | None = None,
) -> PitLayout:
    """Lay fish-scale pits out in staggered rows along the contour.

    Parameters
    ----------
    diameter, depth : float
        Of a pit, half an ellipsoid [m].
    spacing : float, optional
        Between centres along the contour; default: two diameters [m].
    row_distance : float
        Between rows along the slope; 3 to 5 m in handbooks [m].
    storm : float
        Rain of the design storm [mm].
    store : HarvestStore, optional
        Of which curve number and capture are taken.

    Returns
    -------
    PitLayout

    Raises
    ------
    StudyError
        If pits would overlap.

    Notes
    -----
    Distances of 1.5-3 m by 3-5 m, depths of 0.4 m and banks of 0.2-0.3 m stand in an encyclopaedia
    of agriculture (secondary); the standards GB/T 16453.2 and GB 51018 were not read.

    Examples
    --------
    >>> layout = pit_layout(diameter=1.0, depth=0.4, spacing=2.0, row_distance=4.0)
    >>> layout.per_hectare, round(layout.volume, 1)
    (1250.0, 26.2)
    """
    chosen, apart = store or HarvestStore(), 2 * diameter if spacing is None else spacing
    if not (0 < diameter <= apart and diameter <= row_distance and depth > 0):
        raise StudyError(
            "pits that overlap",
            found=f"diameter {diameter:g} m, {apart:g} m apart, rows {row_distance:g} m apart",
            do="Give a spacing and a row distance of at least the diameter",
        )
    number = 10_000 / (apart * row_distance)
    each = 2 / 3 * np.pi * (diameter / 2) ** 2 * depth
    volume = number * each / 10_000 * 1000
    runoff = float(storm_runoff(storm, chosen.curve_number))
    kept = min(chosen.capture * runoff, volume)
    return PitLayout(
        number, float(each), float(volume), apart, row_distance, kept * 10_000 / number
    )


def earthwork_refusals(
    *,
    slope: float,
    soil_depth: float | None,
    permafrost: bool,
    thaw_depth: float | None = None,
    pit_depth: float = 0.4,
    kind: Literal["pits", "ditches"] = "pits",
    override: str = "",
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
    pit_depth : float
        [m]
    kind : {"pits", "ditches"}
    override : str
        A person's reason to dig on permafrost all the same.

    Returns
    -------
    tuple of str
        Reasons; empty where nothing forbids it.

    Notes
    -----
    Slopes of 15-45° for pits come from handbooks (secondary). No source gives a limit for
    permafrost: refusing, unless the active layer is half a metre deeper than the pit or a person
    overrides with a reason, is our proposal.

    Examples
    --------
    >>> earthwork_refusals(slope=20, soil_depth=0.8, permafrost=False)
    ()
    >>> len(earthwork_refusals(slope=50, soil_depth=0.3, permafrost=True))
    3
    """
    reasons = []
    low, high = (15.0, 45.0) if kind == "pits" else (5.0, 25.0)
    if not low <= slope <= high:
        reasons.append(f"slope {slope:g}°: {kind} are for {low:g} to {high:g}°")
    if soil_depth is None:
        reasons.append("soil depth is not known: dig a trial pit first")
    elif soil_depth < pit_depth + 0.2:
        reasons.append(f"soil of {soil_depth:g} m is too thin for a depth of {pit_depth:g} m")
    deep = thaw_depth is not None and thaw_depth >= pit_depth + 0.5
    if permafrost and not deep and not override.strip():
        reasons.append("permafrost: no earthwork without a person's reason")
    return tuple(reasons)
