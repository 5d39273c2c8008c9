"""Pits and ditches for a slope: size, distance, number, and what they keep in a storm and a season.

What runs off a slope must find room: volume per hectare = share caught × runoff of the design
storm. Pits are half-ellipsoids on a slope, of which the slope takes a part; ditches are level,
rectangular in section. Between storms, water soaks away at the soil's infiltration rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import StudyError
from headwater.restoration.profile import MeasureProfile, read_profile
from headwater.restoration.rain_harvesting import HarvestStore, runoff_cut, storm_runoff

__all__ = [
    "EarthworkDesign",
    "SeasonHarvest",
    "curve_number_of",
    "design_earthwork",
    "season_harvest",
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
