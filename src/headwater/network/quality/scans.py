"""Scans of one series, each adding its bits to the flags.

They work on the `span` of a `Scanned`, from its first to before its second index; what lies around
is only looked at. A neighbour counts only where no observation is missing between (`gap` hours at
the most), so that the edges of gaps are not flagged.

What many observations share is computed for all at once, and only the few that may be flagged are
looked at one by one. Nothing is compiled: the compiler would stay in the memory of a service.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Scanned",
    "breaks",
    "high_plateaus",
    "low_plateaus",
    "rain_before",
    "rises",
    "soil_states",
    "spikes",
    "stuck",
]

Floats = NDArray[np.float64]
Bits = NDArray[np.int64]
Places = NDArray[np.int64]

_HELD = 24.0
"""A soil temperature holds for this long where none is newer [h]."""
_DAMPING = 72.0
"""Without soil temperature, air temperature smoothed over this stands for it [h]."""
_WARM_FOR = 120.0
"""Soil above `warm` for this long holds no ice [h]."""
_CURTAIN = (-3.0, 1.0)
"""Soil temperatures between which liquid water appears and vanishes within hours [°C]."""


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """Observations that have a value, the part of them that is flagged, and the longest step.

    `hours` since 1970, rising; `value` [m3 m-3]; `soil` and `air` temperature [°C]; `rain` since
    the observation before [mm]; `ground`, the soil temperature used, filled by the first scan.
    """

    hours: Floats
    value: Floats
    soil: Floats
    air: Floats
    rain: Floats
    ground: Floats
    span: tuple[int, int]
    gap: float

    def first_within(self, hours_back: float) -> Places:
        """Find for each of the span the first observation at most so long before it."""
        here = np.arange(*self.span)
        first = np.searchsorted(self.hours, self.hours[here] - hours_back)
        # by the difference itself, for the sum above is rounded
        earlier = np.maximum(first - 1, 0)
        first = np.where(self.hours[here] - self.hours[earlier] <= hours_back, earlier, first)
        return np.where(self.hours[here] - self.hours[first] <= hours_back, first, first + 1)


def soil_states(
    scanned: Scanned,
    limits: tuple[float, ...],
    bits: tuple[int, ...],
    carry: Floats,
    flags: Bits,
) -> Floats:
    """Walk through frost and thaw, and give the soil temperature used in the span.

    `limits` = frost, warm, thaw; `carry` = last frost, warm since, last soil temperature and its
    hour, air temperature and its hour.
    """
    here = slice(*scanned.span)
    hours = scanned.hours[here]
    soil, air = scanned.soil[here], scanned.air[here]
    frost, warm, thaw = limits
    frozen, thawing = bits
    newest = _last(~np.isnan(soil))
    held = np.where(newest < 0, carry[2], soil[newest])
    since = np.where(newest < 0, carry[3], hours[newest])
    used = np.where(hours - since <= _HELD, held, _damped(hours, air, carry))
    carry[2], carry[3] = held[-1], since[-1]
    with np.errstate(invalid="ignore"):
        is_frozen = used <= frost
        is_warm = ~is_frozen & (used >= warm)
    last = _last(is_frozen)
    last_frost = np.where(last < 0, carry[0], hours[last])
    cold = _last(~is_warm)
    begun = hours[np.minimum(cold + 1, hours.size - 1)]
    begun = np.where(cold < 0, np.minimum(carry[1], hours[0]), begun)
    warm_since = np.where(is_warm, begun, np.inf)
    icy = (hours - last_frost <= thaw) & (hours - warm_since < _WARM_FOR)
    flags[here] |= np.where(is_frozen, frozen, np.where(icy, thawing, 0))
    carry[0], carry[1] = last_frost[-1], warm_since[-1]
    return used


def _last(found: NDArray[np.bool_]) -> Places:
    """Find for each the last that was found up to it; -1 where there is none."""
    place: Places = np.maximum.accumulate(np.where(found, np.arange(found.size), -1))
    return place


def _damped(hours: Floats, air: Floats, carry: Floats) -> Floats:
    """Smooth air temperature exponentially; `carry[4:]` = its level and hour."""
    known = np.flatnonzero(~np.isnan(air))
    if not known.size:
        return np.full(air.size, carry[4])
    before = np.append(carry[5], hours[known[:-1]])
    share = (1.0 - np.exp(-(hours[known] - before) / _DAMPING)).tolist()
    level, levels = float(carry[4]), []
    for one, weight in zip(air[known].tolist(), share, strict=True):
        level = one if isnan(level) else level + weight * (one - level)
        levels.append(level)
    damped: Floats = np.append(levels, carry[4])[np.cumsum(~np.isnan(air)) - 1]
    carry[4], carry[5] = level, hours[known[-1]]
    return damped


def _restlessness(scanned: Scanned, i: int, j: int, window: float) -> tuple[float, float]:
    """Mean absolute and mean step around i..j, without the steps that touch i..j."""
    hours, value = scanned.hours, scanned.value
    first = _reach(hours, i, -1, window)
    last = _reach(hours, j, 1, window)
    total, signed, n = 0.0, 0.0, 0
    for part in (slice(first, i), slice(j + 1, last + 1)):
        steps = np.diff(value[part])[np.diff(hours[part]) <= scanned.gap]
        total += float(np.abs(steps).sum())
        signed += float(steps.sum())
        n += steps.size
    return (total / n, abs(signed) / n) if n else (0.0, 0.0)


def _reach(hours: Floats, i: int, way: int, window: float) -> int:
    """Find the observation furthest from i in direction `way`, at most `window` hours away."""
    side = "left" if way < 0 else "right"
    found = int(np.searchsorted(hours, hours[i] + way * window, side))  # type: ignore[call-overload]
    found = min(found, hours.size - 1) if way < 0 else found - 1
    # by the difference itself, for the sum above is rounded
    while 0 <= found + way < hours.size and abs(hours[found + way] - hours[i]) <= window:
        found += way
    while abs(hours[found] - hours[i]) > window:
        found -= way
    return found


def spikes(
    scanned: Scanned, rain: Floats, limits: tuple[float, ...], bit: int, flags: Bits
) -> None:
    """One or two observations that leave and come back; `limits` = least, relative, window.

    Departure d from the mean of both sides: |d| > max(least, relative |base|, 5 mean |step|), while
    the sides agree within 0.3 |d|. At steps over 3 h a wet peak may be rain that drained away, and
    counts only where it is known to be dry; beyond 36 h nothing counts.
    """
    least, relative, window = limits
    hours, value, gap = scanned.hours, scanned.value, scanned.gap
    if gap > 1.6 * 36.0:
        return
    single: set[int] = set()
    for width in (1, 2):
        # from one before: a pair may have begun there
        first = max(scanned.span[0] - 1, 1)
        i = np.arange(first, max(first, min(scanned.span[1], value.size - width)))
        j = i + width - 1
        base = 0.5 * (value[i - 1] + value[j + 1])
        away = value[i] - base
        size = np.abs(away)
        found = hours[j + 1] - hours[i - 1] <= (width + 1) * gap
        found &= size > np.maximum(least, relative * np.abs(base))
        found &= np.abs(value[j + 1] - value[i - 1]) <= 0.3 * size
        found &= (np.abs(value[j] - value[i]) <= 0.2 * size) | (width == 1)
        if gap > 1.6 * 3.0:
            found &= (away <= 0.0) | (rain[i] == 0.0)
        for at in i[found].tolist():
            end = at + width - 1
            if (
                at not in single
                and size[at - first] > 5.0 * _restlessness(scanned, at, end, window)[0]
            ):
                single.add(at)
                flags[at : end + 1] |= bit


def _side(scanned: Scanned, i: int, way: int, reach: float) -> tuple[float, int]:
    """Mean and number of the values from i on in direction `way` within `reach` hours."""
    hours = scanned.hours
    far = _reach(hours, i, way, reach)
    low, high = min(i, far), max(i, far)
    wide = np.flatnonzero(np.diff(hours[low : high + 1]) > scanned.gap)
    if wide.size and way > 0:
        high = low + int(wide[0])
    elif wide.size:
        low += int(wide[-1]) + 1
    part = scanned.value[low : high + 1]
    return float(part.mean()), part.size


def _phase_change(hours: Floats, ground: Floats, i: int) -> bool:
    """Whether the soil is about 0 °C and its temperature has moved by 0.2 °C within six hours."""
    if not _CURTAIN[0] <= ground[i] <= _CURTAIN[1]:
        return False
    before = ground[_reach(hours, i, -1, 6.0) : i]
    return bool((np.abs(before - ground[i]) >= 0.2).any())


def breaks(
    scanned: Scanned,
    rain: Floats,
    limits: tuple[float, ...],
    bits: tuple[int, ...],
    flags: Bits,
) -> None:
    """One step to another level that lasts; `bits` = drop, jump, what has been flagged (spike).

    After Dorigo et al. (2013, eq. 7-9): large against the value, against ten times the mean step
    around, and alone: the steps next to it are small. A jump for which half the water fell within
    hours before is a wetting front; one while the soil crosses 0 °C is frost or thaw. A
    fall from over 0.05 to 0 always counts.
    """
    least, relative, window, reach, depth = limits
    drop, jump, spike = bits
    hours, value = scanned.hours, scanned.value
    first = max(scanned.span[0], 2)
    i = np.arange(first, max(first, min(scanned.span[1], value.size - 1)))
    step = value[i] - value[i - 1]
    found = (hours[i] - hours[i - 1] <= scanned.gap) & ((flags[i] | flags[i - 1]) & spike == 0)
    emptied = found & (value[i] == 0.0) & (step < -0.05)
    flags[i[emptied]] |= drop
    found &= ~emptied & (np.abs(step) > np.maximum(least, relative * np.abs(value[i]) * 2.0 / 3.0))
    found &= ~((rain[i] >= 500.0 * depth * step) & (step > 0.0))
    beside = np.maximum(np.abs(value[i + 1] - value[i]), np.abs(value[i - 1] - value[i - 2]))
    found &= beside <= 0.15 * np.abs(step)
    for at, change in zip(i[found].tolist(), step[found].tolist(), strict=True):
        after, n_after = _side(scanned, at, 1, reach)
        before, n_before = _side(scanned, at - 1, -1, reach)
        if n_after < 3 or n_before < 3 or (after - before) / change < 0.7:
            continue
        if _phase_change(hours, scanned.ground, at):
            continue
        if abs(change) > 10.0 * _restlessness(scanned, at, at, window)[1]:
            flags[at] |= drop if change < 0.0 else jump


def rises(
    scanned: Scanned,
    rain: Floats,
    limits: tuple[float, ...],
    bits: tuple[int, ...],
    flags: Bits,
) -> None:
    """Find rises in a step and in a day that neither rain, thaw nor a jump explains.

    Dorigo et al. (2013): above twice the standard deviation of the day; ours: above `least` too,
    and never while the soil thaws. Unknown rain cannot accuse. `limits` = rise, rain of the day;
    `bits` = it, what pardons.
    """
    rise, pardon = bits
    least, least_rain = limits
    hours, value = scanned.hours, scanned.value
    i = np.arange(*scanned.span)
    start = scanned.first_within(24.0 + 1e-9)
    found = (flags[i] & pardon == 0) & (rain[i] < least_rain) & (i > 0)
    found &= (value[i] > value[i - 1]) & (i - start >= 3) & (hours[i] - hours[start] >= 18.0)
    risen = value[i] - value[start]
    found &= risen > least
    for k in np.flatnonzero(found).tolist():
        if risen[k] > 2.0 * value[start[k] : i[k] + 1].std(ddof=1):
            flags[i[k]] |= rise


def low_plateaus(
    scanned: Scanned, least_hours: float, bits: tuple[int, ...], carry: Floats, flags: Bits
) -> None:
    """Hardly any variation after a drop (eq. 14); `bits` = it, drop, frozen; `carry` = level."""
    plateau, drop, frozen = bits
    hours, value = scanned.hours, scanned.value
    first, end = scanned.span
    drops = (first + np.flatnonzero(flags[first:end] & drop)).tolist()
    level, i = float(carry[0]), first
    while i < end:
        if isnan(level):  # nothing under way: go on at the next drop
            k = bisect_left(drops, i)
            if k == len(drops):
                break
            i = drops[k]
        if flags[i] & drop:
            level = float(value[i])
            ahead = value[i : _reach(hours, i, 1, least_hours) + 2]
            off = np.flatnonzero(np.abs(ahead - level) > 3e-3 * np.sqrt(abs(level)))
            j = i + (int(off[0]) if off.size else ahead.size) - 1
            level = level if hours[j] - hours[i] >= least_hours else np.nan
        if abs(value[i] - level) > 3e-3 * np.sqrt(abs(level)):
            level = np.nan
        elif not isnan(level) and not flags[i] & frozen:
            flags[i] |= plateau
        i += 1
    carry[0] = level


def high_plateaus(
    scanned: Scanned,
    limits: tuple[float, ...],
    bits: tuple[int, ...],
    carry: Floats,
    flags: Bits,
) -> None:
    """Flat at the top after a sharp rise (eq. 10-13); `carry` = highest so far, level or NaN.

    `limits` = hours, flat, window. Flat means no recession either: the halves of the plateau agree
    within a quarter of `flat`, which a soil that drains does not. A frozen soil is flat by nature.
    """
    _, flat, window = limits
    plateau, doubt, frozen = bits
    hours, value = scanned.hours, scanned.value
    first, end = scanned.span
    here = slice(first, end)
    believed = np.where(flags[here] & doubt, -np.inf, value[here])
    highest = np.maximum(np.maximum.accumulate(believed), carry[0])
    step = np.diff(value, prepend=np.nan)
    pace = step / np.maximum(np.diff(hours, prepend=np.nan), 1e-3)
    sharp = (pace >= 2.5e-3) & (step >= 2.0 * flat)
    doubts = flags & doubt
    last = _last(sharp)[here]
    near = (last > 0) & (hours[here] - hours[np.maximum(last - 1, 0)] <= window)
    near &= (value[here] >= 0.95 * highest) & (flags[here] & frozen == 0)
    candidates = (first + np.flatnonzero(near)).tolist()
    level, i = float(carry[1]), first
    while i < end:
        if isnan(level):  # nothing under way: go on at the next that may begin one
            k = bisect_left(candidates, i)
            if k == len(candidates):
                break
            i = candidates[k]
        if abs(value[i] - level) <= 2.0 * flat:
            flags[i] |= plateau
            doubts[i] |= plateau
            i += 1
            continue
        level = np.nan
        if near[i - first] and _begins(scanned, i, sharp, doubts, limits):
            level = float(value[i])
            flags[i] |= plateau
            doubts[i] |= plateau
        i += 1
    carry[0], carry[1] = highest[-1], level


def _begins(
    scanned: Scanned,
    i: int,
    sharp: NDArray[np.bool_],
    doubts: Bits,
    limits: tuple[float, ...],
) -> bool:
    """Whether a plateau begins at i: a sharp rise that is believed lies before, and it is flat."""
    least_hours, flat, window = limits
    k = np.arange(_reach(scanned.hours, i, -1, window) + 1, i + 1)
    if not (sharp[k] & (doubts[k] == 0) & (doubts[k - 1] == 0)).any():
        return False
    return _is_flat(scanned.hours, scanned.value, i, least_hours, flat)


def _is_flat(hours: Floats, value: Floats, i: int, least_hours: float, flat: float) -> bool:
    last = _reach(hours, i, 1, least_hours + 1e-9)
    part, since = value[i : last + 1], hours[i : last + 1] - hours[i]
    if (np.abs(part - value[i]) > flat).any():
        return False
    early = since < 0.5 * least_hours
    if part.size < 4 or early.all() or since[-1] < least_hours - 1e-9:
        return False
    return bool(abs(part[early].mean() - part[~early].mean()) <= 0.25 * flat)


def stuck(
    scanned: Scanned, least_hours: float, bits: tuple[int, ...], carry: Floats, flags: Bits
) -> None:
    """One value repeated; `bits` = it, frozen; `carry` = value, since when, resolution.

    An observation belongs to the run that holds it, looked ahead `least_hours`. A sensor that
    resolves less than 0.002 repeats itself honestly and gets five times as long.
    """
    bit, frozen = bits
    hours, value = scanned.hours, scanned.value
    first, end = scanned.span
    here, at = slice(first, end), np.arange(first, end)
    before = np.append(carry[0], value[first : end - 1])
    changed = value[here] != before
    apart = np.abs(value[here] - before)
    finer = np.minimum.accumulate(np.where(apart > 1e-9, apart, np.inf))
    resolution = np.minimum(finer, carry[2])
    in_ice = flags[here] & frozen != 0
    begun = _last(changed | in_ice)
    since = np.where(begun < 0, carry[1], hours[here][begun])
    ends = np.append(np.flatnonzero(value[1:] != value[:-1]), value.size - 1)
    run_end = ends[np.searchsorted(ends, at)]
    ahead = np.searchsorted(hours, hours[here] + (least_hours + 1e-9), "right") - 1
    lasted = hours[np.minimum(run_end, ahead)] - since
    needed = np.where(resolution <= 0.00201, least_hours, 5.0 * least_hours)
    flags[here] |= np.where(~in_ice & (lasted >= needed), bit, 0)
    carry[0], carry[1], carry[2] = value[end - 1], since[-1], resolution[-1]


def rain_before(scanned: Scanned, back: float) -> Floats:
    """Rain of the `back` hours up to each observation [mm]; NaN where a fifth is unknown."""
    fallen = np.full(scanned.hours.size, np.nan)
    rain = scanned.rain
    known = ~np.isnan(rain)
    if not known.any():
        return fallen
    here = np.arange(*scanned.span)
    start = scanned.first_within(np.nextafter(back, 0.0))
    n = np.concatenate([[0], np.cumsum(known)])
    seen = n[here + 1] - n[start]
    edges = np.stack([start, here + 1], axis=1).ravel()
    total = np.add.reduceat(np.append(np.where(known, rain, 0.0), 0.0), edges)[::2]
    enough = (seen > 0.8 * (here + 1 - start)) | (seen == here + 1 - start)
    fallen[here] = np.where(enough, total, np.nan)
    return fallen
