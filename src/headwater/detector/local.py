"""Local q: where on the map a factor explains the response, in windows that move over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from headwater.detector.factor_detector import INDEPENDENCE_CAUTION
from headwater.detector.results import WANG2010
from headwater.detector.strata import Strata, as_strata
from headwater.errors import DataError
from headwater.figures import drawing_on
from headwater.results import MapResult, of_inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.figures import Outline

__all__ = ["LocalMaps", "WindowQ", "local_q", "window_q"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LocalMaps(MapResult):
    """Maps by factor: ``<factor>_q``, ``<factor>_q_adjusted``, ``<factor>_n``, ``<factor>_strata``.

    The window of a cell is centred on it and cut at the edge of the map.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the adjusted q around each cell, a map for each factor."""
        from headwater.detector.extension_plots import draw_local

        with drawing_on(ax):
            return draw_local(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class WindowQ:
    """q of every window, as arrays of the map's shape.

    Attributes
    ----------
    q, adjusted : ndarray
        q and adjusted q [1]; NaN where the window cannot answer.
    n, strata : ndarray of int
        Units and strata in the window.
    """

    q: Floats
    adjusted: Floats
    n: npt.NDArray[np.int32]
    strata: npt.NDArray[np.int16]


@of_inputs
def local_q(
    response: xr.DataArray,
    strata: Mapping[str, Any],
    *,
    window: int = 21,
    min_units: int = 30,
    min_stratum_units: int = 2,
    weights: npt.ArrayLike | None = None,
) -> LocalMaps:
    """Map q in windows around each cell.

    Parameters
    ----------
    response : DataArray (y, x)
        The variable to be explained [any unit]; NaN is missing.
    strata : mapping of str to Strata or array_like
        The factors, parted over the whole map, with codes of the same shape.
    window : int
        Side of the window [cells]; odd.
    min_units : int
        Units that a window must hold.
    min_stratum_units : int
        Strata with fewer units in a window are left out there, and its n counts without them.
    weights : array_like, shape (y, x), optional
        Weight of each cell, such as its area.

    Returns
    -------
    LocalMaps

    Raises
    ------
    DataError
        If the response is not a map, a factor is not of its shape, or the window is even.

    Notes
    -----
    Windows overlap: neighbouring values of the map share most of their units, and patches of a
    window's size appear by chance. The adjusted q is 0 on average where there is no effect and is
    what the figure shows; the plain q is high wherever a window holds many small strata.

    Sums in all windows come from summed-area tables, one for each stratum, at a cost that does not
    depend on the window.

    References
    ----------
    Crow, F. C. (1984). Summed-area tables for texture mapping. Computer Graphics 18(3), 207-212.
    https://doi.org/10.1145/964965.808600

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> half = np.repeat([[0, 1, 0, 1]], 20, axis=0).repeat(5, axis=1)
    >>> theta = np.where(np.arange(20) < 10, half, 0.0) + rng.normal(0, 0.1, (20, 20))
    >>> found = local_q(xr.DataArray(theta, dims=("y", "x")), {"cover": half}, window=7)
    >>> q = found.data["cover_q_adjusted"]
    >>> bool(q[10, 5] > 0.9), bool(q[10, 15] < 0.1)
    (True, True)
    """
    if response.dims != ("y", "x"):
        raise DataError(
            "local q needs a map", found=f"dims {response.dims}", do="Give dims ('y', 'x')"
        )
    values = np.asarray(response.values, dtype=np.float64)
    parts = {name: as_strata(given) for name, given in strata.items()}
    rule = {"window": window, "min_units": min_units, "min_stratum_units": min_stratum_units}
    maps: dict[str, xr.DataArray] = {}
    for name, part in parts.items():
        found = window_q(values, part, **rule, weights=weights)
        for suffix, array, words in (
            ("q", found.q, "q"),
            ("q_adjusted", found.adjusted, "Adjusted q"),
            ("n", found.n, "Units"),
            ("strata", found.strata, "Strata"),
        ):
            layer = response.copy(data=array)
            layer.attrs = {"long_name": f"{words} of {name} in the window", "units": "1"}
            maps[f"{name}_{suffix}"] = layer
    label = str(response.attrs.get("long_name", "the response"))
    return LocalMaps(
        data=xr.Dataset(maps, attrs={"response": label, "window": window, "factors": list(parts)}),
        method=f"Local q: share of the variance of {label} between the strata of a factor, in "
        f"windows of {window} × {window} cells around each cell.",
        references=(WANG2010,),
        choices=(
            "The strata are those of the whole map. Windows are cut at its edge; windows with "
            f"fewer than {min_units} units or two strata are left empty; a stratum with fewer than "
            f"{min_stratum_units} units in a window is left out of it.",
            "Units are " + ("not weighted." if weights is None else "weighted."),
        ),
        cautions=(
            "Windows overlap, so that neighbouring values of local q are not independent, and "
            "patches as large as a window arise by chance.",
            INDEPENDENCE_CAUTION,
        ),
    )


def window_q(
    values: Floats,
    strata: Strata,
    *,
    window: int = 21,
    min_units: int = 30,
    min_stratum_units: int = 2,
    weights: npt.ArrayLike | None = None,
) -> WindowQ:
    """Compute q in every window of an array.

    Parameters
    ----------
    values : ndarray, shape (y, x)
        The variable to be explained [any unit]; NaN is missing.
    strata : Strata
        With codes of the same shape.
    window, min_units, min_stratum_units : int
        See :func:`local_q`.
    weights : array_like, shape (y, x), optional
        Weight of each cell.

    Returns
    -------
    WindowQ

    Raises
    ------
    DataError
        If the shapes differ or the window is even or less than 3.

    Examples
    --------
    >>> codes = np.tile([0, 1], (6, 3))
    >>> window_q(codes * 2.0, as_strata(codes), window=5, min_units=9).q[2, 2]
    np.float64(1.0)
    """
    if values.ndim != 2 or strata.codes.shape != values.shape:
        raise DataError(
            "local q needs a map and strata on its grid",
            found=f"response {values.shape}, strata {strata.codes.shape}",
            do="Bring both onto one grid",
        )
    if window < 3 or window % 2 == 0:
        raise DataError(
            "a window has a cell in its middle", found=f"window = {window}", do="Give 3, 5, 7, …"
        )
    present = ~np.isnan(values) & (strata.codes >= 0)
    level = float(values[present].mean()) if present.any() else 0.0
    deviation = np.where(present, values - level, 0.0)
    shape = values.shape
    mass = np.ones(shape) if weights is None else np.asarray(weights, np.float64)
    n, size, total, squares, between, realised = (np.zeros(shape) for _ in range(6))
    for code in range(strata.realised):
        inside = present & (strata.codes == code)
        units = _sums(inside.astype(np.float64), window)
        enough = units >= max(min_stratum_units, 1)
        own = np.where(inside, deviation, 0.0)
        weighed = np.where(inside, mass, 0.0)
        share = np.where(enough, _sums(weighed, window), 0.0)
        first = np.where(enough, _sums(weighed * own, window), 0.0)
        n += np.where(enough, units, 0.0)
        size += share
        total += first
        squares += np.where(enough, _sums(weighed * own**2, window), 0.0)
        between += np.divide(first**2, share, out=np.zeros(shape), where=enough)
        realised += enough
    common = np.divide(total**2, size, out=np.zeros(shape), where=n > 0)
    spread, free = squares - common, n - realised
    # what the tables leave of a flat window is rounding of the whole map's squares
    rounding = 1e-12 * float((np.where(present, mass, 0.0) * deviation**2).sum())
    sound = (n >= min_units) & (realised > 1) & (free > 0) & (spread > rounding)
    q = np.divide(between - common, spread, out=np.full(shape, np.nan), where=sound)
    q = np.clip(q, 0.0, 1.0)
    adjusted = 1.0 - (1.0 - q) * np.divide(n - 1, free, out=np.ones(shape), where=sound)
    return WindowQ(q, adjusted, n.astype(np.int32), realised.astype(np.int16))


def _sums(array: Floats, window: int) -> Floats:
    """Sum over the window around each cell, cut at the edges, by a summed-area table."""
    table = np.zeros((array.shape[0] + 1, array.shape[1] + 1))
    np.cumsum(np.cumsum(array, axis=0), axis=1, out=table[1:, 1:])
    half = window // 2
    (top, bottom), (left, right) = (
        (np.maximum(np.arange(size) - half, 0), np.minimum(np.arange(size) + half + 1, size))
        for size in array.shape
    )
    down = table[bottom] - table[top]
    sums: Floats = down[:, right] - down[:, left]
    return sums
