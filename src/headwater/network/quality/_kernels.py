"""Compiled scans of one series, each adding its bits to the flags.

All take `hours` (since 1970, rising) and `value` [m3 m-3] of the observations that have one, and
work on `span`, from its first to before its second index; what lies around is only looked at. A
neighbour counts only where no observation is missing between (`gap` hours at the most), so that
the edges of gaps are not flagged.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
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

_HELD = 24.0
"""A soil temperature holds for this long where none is newer [h]."""
_DAMPING = 72.0
"""Without soil temperature, air temperature smoothed over this stands for it [h]."""
_WARM_FOR = 120.0
"""Soil above `warm` for this long holds no ice [h]."""
_CURTAIN = (-3.0, 1.0)
"""Soil temperatures between which liquid water appears and vanishes within hours [°C]."""


@njit(cache=True, nogil=True)
def soil_states(
    hours: Floats,
    soil: Floats,
    air: Floats,
    span: tuple[int, int],
    limits: tuple[float, ...],
    bits: tuple[int, ...],
    carry: Floats,
    flags: Bits,
    ground: Floats,
) -> None:
    """Walk through frost and thaw; `carry` = last frost, warm since, last soil T and its hour, air.

    `limits` = frost, warm, thaw; `ground` takes the soil temperature used.
    """
    frost, warm, thaw = limits
    frozen, thawing = bits
    for i in range(span[0], span[1]):
        if soil[i] == soil[i]:
            carry[2], carry[3] = soil[i], hours[i]
        if air[i] == air[i]:
            step = 1.0 if carry[4] != carry[4] else 1.0 - np.exp(-(hours[i] - carry[5]) / _DAMPING)
            carry[4] = air[i] if carry[4] != carry[4] else carry[4] + step * (air[i] - carry[4])
            carry[5] = hours[i]
        ground[i] = carry[2] if hours[i] - carry[3] <= _HELD else carry[4]
        if ground[i] <= frost:
            carry[0], carry[1] = hours[i], np.inf
            flags[i] |= frozen
        else:
            carry[1] = min(carry[1], hours[i]) if ground[i] >= warm else np.inf
            if hours[i] - carry[0] <= thaw and hours[i] - carry[1] < _WARM_FOR:
                flags[i] |= thawing


@njit(cache=True, nogil=True)
def _restlessness(
    hours: Floats, value: Floats, i: int, j: int, window: float, gap: float
) -> tuple[float, float]:
    """Mean absolute and mean step around i..j, without the steps that touch i..j."""
    total, signed, n = 0.0, 0.0, 0
    k = i - 1
    while k > 0 and hours[i] - hours[k - 1] <= window:
        if hours[k] - hours[k - 1] <= gap:
            total += abs(value[k] - value[k - 1])
            signed += value[k] - value[k - 1]
            n += 1
        k -= 1
    k = j + 1
    while k + 1 < value.size and hours[k + 1] - hours[j] <= window:
        if hours[k + 1] - hours[k] <= gap:
            total += abs(value[k + 1] - value[k])
            signed += value[k + 1] - value[k]
            n += 1
        k += 1
    if n == 0:
        return 0.0, 0.0
    return total / n, abs(signed) / n


@njit(cache=True, nogil=True)
def spikes(
    hours: Floats,
    value: Floats,
    rain: Floats,
    span: tuple[int, int],
    limits: tuple[float, ...],
    gap: float,
    bit: int,
    flags: Bits,
) -> None:
    """One or two observations that leave and come back; `limits` = least, relative, window.

    Departure d from the mean of both sides: |d| > max(least, relative |base|, 5 mean |step|), while
    the sides agree within 0.3 |d|. At steps over 3 h a wet peak may be rain that drained away, and
    counts only where it is known to be dry; beyond 36 h nothing counts.
    """
    least, relative, window = limits
    if gap > 1.6 * 36.0:
        return
    # from one before: a pair may have begun there
    for i in range(max(span[0] - 1, 1), min(span[1], value.size - 1)):
        for width in (1, 2):
            j = i + width - 1
            if j + 1 >= value.size or hours[j + 1] - hours[i - 1] > (width + 1) * gap:
                continue
            base = 0.5 * (value[i - 1] + value[j + 1])
            away = value[i] - base
            if abs(away) <= max(least, relative * abs(base)):
                continue
            if abs(value[j + 1] - value[i - 1]) > 0.3 * abs(away):
                continue
            if width == 2 and abs(value[j] - value[i]) > 0.2 * abs(away):
                continue
            if away > 0.0 and gap > 1.6 * 3.0 and rain[i] != 0.0:
                continue
            if abs(away) > 5.0 * _restlessness(hours, value, i, j, window, gap)[0]:
                for k in range(i, j + 1):
                    flags[k] |= bit
                break


@njit(cache=True, nogil=True)
def _side(
    hours: Floats, value: Floats, i: int, step: int, reach: float, gap: float
) -> tuple[float, int]:
    """Mean and number of the values from i on in direction `step` within `reach` hours."""
    total, n, k = 0.0, 0, i
    while 0 <= k < value.size and abs(hours[k] - hours[i]) <= reach:
        total += value[k]
        n += 1
        if 0 <= k + step < value.size and abs(hours[k + step] - hours[k]) > gap:
            break
        k += step
    return total / max(n, 1), n


@njit(cache=True, nogil=True)
def _phase_change(hours: Floats, ground: Floats, i: int) -> bool:
    """Whether the soil is about 0 °C and its temperature has moved by 0.2 °C within six hours."""
    if not _CURTAIN[0] <= ground[i] <= _CURTAIN[1]:
        return False
    k = i
    while k > 0 and hours[i] - hours[k - 1] <= 6.0:
        k -= 1
        if abs(ground[k] - ground[i]) >= 0.2:
            return True
    return False


@njit(cache=True, nogil=True)
def breaks(
    hours: Floats,
    value: Floats,
    rain: Floats,
    ground: Floats,
    span: tuple[int, int],
    limits: tuple[float, ...],
    gap: float,
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
    for i in range(max(span[0], 2), min(span[1], value.size - 1)):
        if hours[i] - hours[i - 1] > gap or (flags[i] | flags[i - 1]) & spike:
            continue
        step = value[i] - value[i - 1]
        if value[i] == 0.0 and step < -0.05:
            flags[i] |= drop
            continue
        if abs(step) <= max(least, relative * abs(value[i]) * 2.0 / 3.0):
            continue
        if _phase_change(hours, ground, i) or rain[i] >= 500.0 * depth * step > 0.0:
            continue
        after, n_after = _side(hours, value, i, 1, reach, gap)
        before, n_before = _side(hours, value, i - 1, -1, reach, gap)
        if n_after < 3 or n_before < 3 or (after - before) / step < 0.7:
            continue
        if max(abs(value[i + 1] - value[i]), abs(value[i - 1] - value[i - 2])) > 0.15 * abs(step):
            continue
        if abs(step) > 10.0 * _restlessness(hours, value, i, i, window, gap)[1]:
            flags[i] |= drop if step < 0.0 else jump


@njit(cache=True, nogil=True)
def rises(
    hours: Floats,
    value: Floats,
    rain: Floats,
    span: tuple[int, int],
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
    start = 0
    for i in range(max(span[0], 1), span[1]):
        while hours[i] - hours[start] > 24.0 + 1e-9:
            start += 1
        if flags[i] & pardon or not rain[i] < least_rain or value[i] <= value[i - 1]:
            continue
        if i - start < 3 or hours[i] - hours[start] < 18.0:
            continue
        mean, square = 0.0, 0.0
        for k in range(start, i + 1):
            mean += value[k] / (i - start + 1)
        for k in range(start, i + 1):
            square += (value[k] - mean) ** 2 / (i - start)
        if value[i] - value[start] > max(least, 2.0 * np.sqrt(square)):
            flags[i] |= rise


@njit(cache=True, nogil=True)
def low_plateaus(
    hours: Floats,
    value: Floats,
    span: tuple[int, int],
    least_hours: float,
    bits: tuple[int, ...],
    carry: Floats,
    flags: Bits,
) -> None:
    """Hardly any variation after a drop (eq. 14); `bits` = it, drop, frozen; `carry` = level."""
    plateau, drop, frozen = bits
    for i in range(span[0], span[1]):
        if flags[i] & drop:
            level, j = value[i], i
            while (
                j + 1 < value.size
                and hours[j] - hours[i] < least_hours
                and abs(value[j + 1] - level) <= 3e-3 * np.sqrt(abs(level))
            ):
                j += 1
            carry[0] = level if hours[j] - hours[i] >= least_hours else np.nan
        if carry[0] != carry[0]:
            continue
        if abs(value[i] - carry[0]) > 3e-3 * np.sqrt(abs(carry[0])):
            carry[0] = np.nan
        elif not flags[i] & frozen:
            flags[i] |= plateau


@njit(cache=True, nogil=True)
def high_plateaus(
    hours: Floats,
    value: Floats,
    span: tuple[int, int],
    limits: tuple[float, ...],
    bits: tuple[int, ...],
    carry: Floats,
    flags: Bits,
) -> None:
    """Flat at the top after a sharp rise (eq. 10-13); `carry` = highest so far, level or NaN.

    `limits` = hours, flat, window. Flat means no recession either: the halves of the plateau agree
    within a quarter of `flat`, which a soil that drains does not. A frozen soil is flat by nature.
    """
    least_hours, flat, window = limits
    plateau, doubt, frozen = bits
    for i in range(span[0], span[1]):
        if not flags[i] & doubt and value[i] > carry[0]:
            carry[0] = value[i]
        if carry[1] == carry[1]:
            if abs(value[i] - carry[1]) <= 2.0 * flat:
                flags[i] |= plateau
                continue
            carry[1] = np.nan
        if value[i] < 0.95 * carry[0] or flags[i] & frozen:
            continue
        sharp, k = False, i
        while k > 0 and hours[i] - hours[k - 1] <= window:
            step = value[k] - value[k - 1]
            pace = step / max(hours[k] - hours[k - 1], 1e-3)
            believed = not (flags[k] | flags[k - 1]) & doubt
            sharp = sharp or (believed and pace >= 2.5e-3 and step >= 2.0 * flat)
            k -= 1
        if sharp and _is_flat(hours, value, i, least_hours, flat):
            carry[1] = value[i]
            flags[i] |= plateau


@njit(cache=True, nogil=True)
def _is_flat(hours: Floats, value: Floats, i: int, least_hours: float, flat: float) -> bool:
    n, early, late, n_early = 0, 0.0, 0.0, 0
    k = i
    while k < value.size and hours[k] - hours[i] <= least_hours + 1e-9:
        if abs(value[k] - value[i]) > flat:
            return False
        if hours[k] - hours[i] < 0.5 * least_hours:
            early += value[k]
            n_early += 1
        else:
            late += value[k]
        n += 1
        k += 1
    if n < 4 or n_early == n or hours[k - 1] - hours[i] < least_hours - 1e-9:
        return False
    return abs(early / n_early - late / (n - n_early)) <= 0.25 * flat


@njit(cache=True, nogil=True)
def stuck(
    hours: Floats,
    value: Floats,
    span: tuple[int, int],
    least_hours: float,
    bits: tuple[int, ...],
    carry: Floats,
    flags: Bits,
) -> None:
    """One value repeated; `bits` = it, frozen; `carry` = value, since when, resolution.

    An observation belongs to the run that holds it, looked ahead `least_hours`. A sensor that
    resolves less than 0.002 repeats itself honestly and gets five times as long.
    """
    bit, frozen = bits
    for i in range(span[0], span[1]):
        if value[i] != carry[0]:
            apart = abs(value[i] - carry[0])
            if apart > 1e-9:
                carry[2] = min(carry[2], apart)
            carry[0], carry[1] = value[i], hours[i]
        if flags[i] & frozen:
            carry[1] = hours[i]
            continue
        k = i
        while (
            k + 1 < value.size
            and value[k + 1] == value[i]
            and hours[k + 1] - hours[i] <= least_hours + 1e-9
        ):
            k += 1
        if hours[k] - carry[1] >= (least_hours if carry[2] <= 0.00201 else 5.0 * least_hours):
            flags[i] |= bit


@njit(cache=True, nogil=True)
def rain_before(hours: Floats, rain: Floats, span: tuple[int, int], back: float) -> Floats:
    """Rain of the `back` hours up to each observation [mm]; NaN where a fifth is unknown."""
    fallen = np.full(hours.size, np.nan)
    start = 0
    for i in range(span[0], span[1]):
        while hours[i] - hours[start] >= back:
            start += 1
        total, known = 0.0, 0
        for k in range(start, i + 1):
            if rain[k] == rain[k]:
                total += rain[k]
                known += 1
        if known > 0.8 * (i + 1 - start) or known == i + 1 - start:
            fallen[i] = total
    return fallen
