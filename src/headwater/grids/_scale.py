"""How values become colours: amounts on a robust scale, classes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.figures import CATEGORY, COLORMAP

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize
    from numpy.typing import NDArray

__all__ = ["Scale", "scale_of"]

Categories = Mapping[float, str] | Sequence[str]

_NO_DATA = "#dcdfe3"
_DIVERGING = {"BrBG", "RdBu_r"}


@dataclass(frozen=True, slots=True)
class Scale:
    """Colours for values, shared by all panels of a figure."""

    cmap: Colormap
    norm: Normalize
    extend: str = "neither"
    ticks: tuple[tuple[float, str], ...] = ()
    codes: tuple[float, ...] = ()
    names: tuple[str, ...] = ()


def scale_of(
    values: NDArray[Any],
    quantity: str,
    center: float | None,
    limits: tuple[float, float] | None,
    categories: Categories | None,
) -> Scale:
    """Choose colours: classes by name, aspect by direction, amounts by their 2-98 % range."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    # The colours of aspect begin and end in light grey: there, missing cells are white.
    missing = "white" if quantity == "aspect" else _NO_DATA
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if categories is not None:
        return _class_scale(finite, quantity, categories, missing)
    name = COLORMAP.get(quantity, "viridis")
    cmap = colormaps[name].with_extremes(bad=missing)
    if quantity == "aspect":
        ticks = tuple(zip((0.0, 90.0, 180.0, 270.0, 360.0), "NESWN", strict=True))
        return Scale(cmap, Normalize(0.0, 360.0), ticks=ticks)
    if not finite.size:
        return Scale(cmap, Normalize())
    if center is None and name in _DIVERGING:
        center = 0.0
    low, high = limits or _robust_limits(finite, center)
    below, above = bool(finite.min() < low), bool(finite.max() > high)
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
    return Scale(cmap, Normalize(low, high), extend)


def _robust_limits(finite: NDArray[Any], center: float | None) -> tuple[float, float]:
    low, high = (float(edge) for edge in np.percentile(finite, [2, 98]))
    if center is not None:
        reach = max(abs(low - center), abs(high - center))
        low, high = center - reach, center + reach
    if low == high:
        margin = 0.05 * abs(low) or 0.5
        low, high = low - margin, high + margin
    return low, high


def _class_scale(
    finite: NDArray[Any], quantity: str, categories: Categories, missing: str
) -> Scale:
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap

    listed = categories if isinstance(categories, Mapping) else dict(enumerate(categories))
    unnamed = {code: f"class {code:g}" for code in np.unique(finite) if code not in listed}
    names = dict(sorted({**listed, **unnamed}.items()))
    codes, count = np.array(list(names), dtype=np.float64), len(names)
    if quantity in COLORMAP:
        # Ordered classes (elevation bands) keep the colours of their quantity.
        ends = (0.0, 1.0 - 1.0 / count) if quantity == "aspect" else (0.08, 0.95)
        colors: Any = colormaps[COLORMAP[quantity]](np.linspace(*ends, count))
    elif count <= len(CATEGORY):
        colors = CATEGORY[:count]
    else:
        colors = colormaps["tab20" if count <= 20 else "turbo"](np.linspace(0, 1, count))
    edges = np.concatenate([[codes[0] - 1], (codes[1:] + codes[:-1]) / 2, [codes[-1] + 1]])
    cmap = ListedColormap(colors).with_extremes(bad=missing)
    return Scale(cmap, BoundaryNorm(edges, count), codes=tuple(codes), names=tuple(names.values()))
