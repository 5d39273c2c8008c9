"""Fish-scale pits and contour ditches: where, what size, how many, and what they keep."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import StudyError
from headwater.restoration.profile import MeasureProfile, read_profile

__all__ = [
    "EarthworkDesign",
    "HarvestStore",
    "SeasonHarvest",
    "curve_number_of",
    "design_earthwork",
    "earthwork_refusals",
    "runoff_cut",
    "season_harvest",
    "storm_runoff",
]

Floats = NDArray[np.float64]
Kind = Literal["pits", "ditches"]


@dataclass(frozen=True, slots=True)
class EarthworkDesign:
    """Earthwork for a hectare of slope.

    Attributes
    ----------
    kind : {"pits", "ditches"}
    width, length, depth : float
        Of a pit across and along the slope; of a ditch, its width, its length per hectare, and its
        depth [m].
    spacing : float
        Between centres along the contour [m]; of ditches 0, for they go on.
    row_distance : float
        Between rows along the slope [m].
    per_hectare : float
        Number of pits [ha-1], or length of ditches [m ha-1].
    volume : float
        Water that all hold, spread over the field [mm].
    storm : float
        Design storm [mm].
    curve_number : float
        [1]
    storm_runoff, kept, overflow : float
        Of the design storm [mm].
    cut, cut_low, cut_high : float
        Share of its runoff that is kept [1], and its range for curve numbers ten lower and higher.
    per_plant : float
        Water that one design storm adds at each pit, or at each metre of ditch [L].
    enough : bool
        Whether the storm's caught runoff finds room at distances that handbooks know.
    """

    kind: Kind
    width: float
    length: float
    depth: float
    spacing: float
    row_distance: float
    per_hectare: float
    volume: float
    storm: float
    curve_number: float
    storm_runoff: float
    kept: float
    overflow: float
    cut: float
    cut_low: float
    cut_high: float
    per_plant: float
    enough: bool

    @property
    def store(self) -> HarvestStore:
        """What it catches and holds."""
        capture = HarvestStore().capture if self.kind == "pits" else 1.0
        return HarvestStore(self.curve_number, capture, self.volume)


@dataclass(frozen=True, slots=True)
class SeasonHarvest:
    """What a field of pits or ditches does with the rain of a season.

    Attributes
    ----------
    rain, runoff, kept, overflow : float
        Sums [mm]; `overflow` is what was caught and found no room.
    cut : float
        Share of the season's runoff that is kept [1]; NaN without runoff.
    events : int
        Days with runoff.
    missing : int
        Days without a value, on which nothing is taken to have fallen.
    """

    rain: float
    runoff: float
    kept: float
    overflow: float
    cut: float
    events: int
    missing: int


def curve_number_of(infiltration: float, profile: MeasureProfile | None = None) -> float:
    """Choose a curve number by the infiltration rate of the soil.

    Parameters
    ----------
    infiltration : float
        Final infiltration rate [mm h-1].
    profile : MeasureProfile, optional
        Of which the limits of the soil groups and their curve numbers are taken.

    Returns
    -------
    float
        Of poor pasture in the hydrologic soil group of that rate: of the bare ground that pits are
        dug on, it is more [1].

    Raises
    ------
    StudyError
        If the rate is negative or not a number.

    References
    ----------
    USDA NRCS (1986), Urban Hydrology for Small Watersheds, TR-55, table 2-2c and appendix A.

    Examples
    --------
    >>> curve_number_of(5.0), curve_number_of(0.5)
    (79.0, 89.0)
    """
    if not infiltration >= 0:
        raise StudyError(
            "an infiltration rate that cannot be",
            found=f"{infiltration:g} mm/h",
            do="Give the final rate of an infiltrometer in mm per hour",
        )
    known = profile or read_profile()
    faster = [g for g in "abc" if infiltration >= known.number(f"infiltration_group_{g}")]
    return known.number(f"curve_number_group_{faster[0] if faster else 'd'}")


def design_earthwork(
    kind: Kind,
    *,
    slope: float,
    storm: float,
    infiltration: float | None = None,
    curve_number: float | None = None,
    depth: float | None = None,
    width: float | None = None,
    spacing: float | None = None,
    profile: MeasureProfile | None = None,
) -> EarthworkDesign:
    """Design pits or ditches that hold the caught runoff of a storm.

    Parameters
    ----------
    kind : {"pits", "ditches"}
    slope : float
        [degrees]
    storm : float
        Rain of the design storm; ten-year, 24 h in standards [mm].
    infiltration : float, optional
        Final infiltration rate of the soil, of which a curve number is chosen [mm h-1].
    curve_number : float, optional
        Wins over `infiltration`; default: the one calibrated to Fu et al. (2010) [1].
    depth, width : float, optional
        Of a pit (its diameter along the contour) or of a ditch; default: those of the profile, with
        small pits on steep slopes [m].
    spacing : float, optional
        Between centres of pits [m]; default: two widths, within the range of the profile, whose
        lower end small pits may go below.
    profile : MeasureProfile, optional
        Of dimensions, distances and curve numbers.

    Returns
    -------
    EarthworkDesign

    Raises
    ------
    StudyError
        If a pit is wider than its spacing, or slope, storm or depth cannot be.

    Notes
    -----
    A pit on a slope s loses the wedge ``tan(s) r`` of its depth on the lower side, which its bank b
    makes up: its usable depth is ``depth − max(0, r tan(s) − b)``. Rows are as far apart as the
    volume allows, within the range of the profile (3-5 m for pits, secondary; 4-20 m for ditches,
    our proposal). Pits catch the share that was calibrated to Fu et al. (2010); ditches, which
    reach across the whole slope, catch all.

    Examples
    --------
    >>> found = design_earthwork("pits", slope=20.0, storm=54.0)
    >>> found.row_distance, found.enough, round(found.cut, 2)
    (5.0, True, 0.39)
    """
    known = profile or read_profile()
    deep = (
        known.number("pit_depth" if kind == "pits" else "ditch_depth") if depth is None else depth
    )
    _check_site(slope, storm, deep)
    number = _number(infiltration, curve_number, known)
    capture = known.number("calibrated_capture") if kind == "pits" else 1.0
    runoff = float(storm_runoff(storm, number))
    if kind == "pits":
        steep = slope > known.number("small_pits_above")
        usual = known.number("small_pit_width" if steep else "pit_width")
        wide = usual if width is None else width
        apart, each = _pit(wide, spacing, deep, slope, known)
        shape = _Shape(kind, wide, deep, apart, each / apart, known.between("pit_rows"))
    else:
        wide = known.number("ditch_width") if width is None else width
        shape = _Shape(kind, wide, deep, 0.0, wide * deep, known.between("ditch_rows"))
    wanted = capture * runoff / 1000
    distance = _between(shape.per_metre / wanted if wanted > 0 else np.inf, shape.limits)
    if not 0 < wide <= distance:
        raise StudyError(
            "a pit or ditch wider than its spacing",
            found=f"{wide:g} m wide, rows {distance:g} m apart",
            do="Give a smaller width",
        )
    store = HarvestStore(number, capture, shape.per_metre / distance * 1000)
    return _designed(shape, distance, storm, store, known.number("curve_number_range"))


@dataclass(frozen=True, slots=True)
class _Shape:
    """A pit or ditch: `per_metre` is what a metre of row holds [m3 m-1]."""

    kind: Kind
    width: float
    depth: float
    apart: float
    per_metre: float
    limits: tuple[float, float]


def _designed(
    shape: _Shape, distance: float, storm: float, store: HarvestStore, spread: float
) -> EarthworkDesign:
    per_hectare = 10_000 / (distance * (shape.apart or 1.0))
    runoff = float(storm_runoff(storm, store.curve_number))
    cuts = _range(storm, store, spread)
    kept = cuts["cut"] * runoff
    spilt = max(store.capture * runoff - store.volume, 0.0)
    return EarthworkDesign(
        kind=shape.kind,
        width=shape.width,
        length=shape.width if shape.kind == "pits" else per_hectare,
        depth=shape.depth,
        spacing=shape.apart,
        row_distance=distance,
        per_hectare=per_hectare,
        volume=store.volume,
        storm=storm,
        curve_number=store.curve_number,
        storm_runoff=runoff,
        kept=kept,
        overflow=spilt,
        **cuts,
        per_plant=kept * 10_000 / per_hectare,
        enough=bool(spilt < 1e-9),
    )


def _pit(
    width: float, spacing: float | None, depth: float, slope: float, profile: MeasureProfile
) -> tuple[float, float]:
    """Distance between centres [m], and what a pit holds on its slope [m3]."""
    least, most = profile.between("pit_spacing")
    least = least if width >= profile.number("pit_width") else 0.0
    apart = float(np.clip(2 * width, least, most)) if spacing is None else spacing
    if not 0 < width <= apart:
        raise StudyError(
            "a pit wider than its spacing",
            found=f"{width:g} m wide, {apart:g} m apart",
            do="Give a spacing of at least the width",
        )
    usable = depth - max(0.0, width / 2 * np.tan(np.radians(slope)) - profile.number("pit_bank"))
    return apart, 2 / 3 * np.pi * (width / 2) ** 2 * max(float(usable), 0.05)


def _range(storm: float, store: HarvestStore, spread: float) -> dict[str, float]:
    """Cut, also for curve numbers lower and higher: the number is the least known of all."""
    cut = float(np.nan_to_num(runoff_cut(storm, store)))
    cuts = [cut]
    for shift in (-spread, spread):
        number = float(np.clip(store.curve_number + shift, 30, 100))
        other = float(runoff_cut(storm, replace(store, curve_number=number)))
        cuts += [other] if np.isfinite(other) else []
    return {"cut": cut, "cut_low": min(cuts), "cut_high": max(cuts)}


def season_harvest(
    rain: ArrayLike, store: HarvestStore, *, infiltration: float = 5.0
) -> SeasonHarvest:
    """Follow a field of pits or ditches through the days of a season.

    Parameters
    ----------
    rain : array-like, shape (days,)
        [mm d-1]
    store : HarvestStore
    infiltration : float
        Rate at which stored water soaks away [mm h-1], over the pits' own area.

    Returns
    -------
    SeasonHarvest

    Raises
    ------
    StudyError
        If rain is negative, or the rate is.

    Notes
    -----
    Each day is an event. What was stored the day before and has not soaked away takes room: pits
    of 0.4 m depth lose ``24 h × rate`` of their depth a day.

    Examples
    --------
    >>> found = season_harvest([54.0, 0, 0, 54.0], HarvestStore())
    >>> round(found.cut, 2), round(found.runoff, 1), found.events
    (0.39, 27.4, 2)
    """
    fallen = np.asarray(rain, dtype=np.float64)
    missing = int((~np.isfinite(fallen)).sum())
    fallen = np.nan_to_num(fallen)
    if (fallen < 0).any() or not infiltration >= 0:
        raise StudyError(
            "rain or an infiltration rate that cannot be",
            found=f"rain from {fallen.min(initial=0):g} mm, {infiltration:g} mm/h",
            do="Give daily sums and a final rate from 0 on",
        )
    runoff = storm_runoff(fallen, store.curve_number)
    drained = infiltration * 24 / 400 * store.volume
    held = kept = overflow = 0.0
    for amount in runoff:
        caught = store.capture * float(amount)
        taken = min(caught, max(store.volume - held, 0.0))
        kept, overflow = kept + taken, overflow + caught - taken
        held = max(held + taken - drained, 0.0)
    total = float(runoff.sum())
    return SeasonHarvest(
        float(fallen.sum()),
        total,
        kept,
        overflow,
        kept / total if total > 0 else float("nan"),
        int((runoff > 0).sum()),
        missing,
    )


def _check_site(slope: float, storm: float, depth: float) -> None:
    if not (0 <= slope < 60 and storm > 0 and 0 < depth <= 2):
        raise StudyError(
            "a slope, storm or depth that cannot be",
            found=f"slope {slope:g}°, storm {storm:g} mm, depth {depth:g} m",
            do="Give a slope below 60°, a storm above 0 mm and a depth up to 2 m",
        )


def _number(
    infiltration: float | None, curve_number: float | None, profile: MeasureProfile
) -> float:
    if curve_number is not None:
        return HarvestStore(curve_number).curve_number
    if infiltration is not None:
        return curve_number_of(infiltration, profile)
    return profile.number("calibrated_curve_number")


def _between(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return float(min(max(value, low), high))


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
