"""With what a quantity goes over an area: correlation of maps, tested honestly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from headwater.errors import CRSError, DataError, GridError
from headwater.grids.geometry import cell_size
from headwater.inference.dutilleul import modified_t_test
from headwater.variation._maps import words

__all__ = ["MapCorrelation", "circular_linear", "correlate_maps", "matrix"]

_COLUMNS = ["first", "second", "statistic", "value", "p", "n", "n_effective", "p_effective"]


@dataclass(frozen=True, slots=True)
class MapCorrelation:
    """How closely two variables go together.

    Attributes
    ----------
    statistic : {"r", "rho", "R"}
        Pearson's r, Spearman's rank correlation, or the circular-linear R, which has no sign.
    value : float
        Of the statistic [1].
    p : float
        Two-sided, as if the pairs were independent [1].
    n : int
        Pairs [1].
    n_effective : float
        Number of independent pairs (Dutilleul) [1]; NaN where places are not known.
    p_effective : float
        Two-sided, of the independent pairs [1]; NaN where they are too few to say.
    """

    statistic: str
    value: float
    p: float
    n: int
    n_effective: float = float("nan")
    p_effective: float = float("nan")


def circular_linear(angle: ArrayLike, values: ArrayLike) -> MapCorrelation:
    """Associate an angle with a number.

    Parameters
    ----------
    angle : array-like
        Direction [degree].
    values : array-like, same shape
        Any unit. Pairs with a NaN (flat cells have no aspect) are left out.

    Returns
    -------
    MapCorrelation
        ``R`` between 0 and 1, without sign; NaN for fewer than 4 pairs or constant values.

    Raises
    ------
    DataError
        For infinite values.

    Notes
    -----
    ``R² = (rc² + rs² - 2 rc rs rcs) / (1 - rcs²)`` with rc, rs the correlations of the values with
    cosine and sine of the angle and rcs that of cosine with sine; the R² of a regression on both.
    ``F = (n - 3) R² / (2 (1 - R²))`` with 2 and n - 3 degrees of freedom.

    References
    ----------
    Mardia, K. V., Jupp, P. E. (2000). Directional Statistics, Wiley, eq. 11.2.1.
    doi:10.1002/9780470316979

    Examples
    --------
    >>> angles = np.array([0.0, 90.0, 180.0, 270.0, 45.0])
    >>> round(circular_linear(angles, np.cos(np.radians(angles - 30.0))).value, 6)
    1.0
    """
    from scipy.special import fdtrc

    angle, values = np.asarray(angle, dtype=float), np.asarray(values, dtype=float)
    valid = ~(np.isnan(angle) | np.isnan(values))
    if np.isinf(angle).any() or np.isinf(values).any():
        raise DataError("infinite values", found="inf", do="Set them to NaN if they mean missing")
    turn = np.radians(angle[valid])
    n = int(valid.sum())
    table = [values[valid], np.cos(turn), np.sin(turn)]
    if n < 4 or any(np.ptp(column) == 0 for column in table):
        return MapCorrelation("R", float("nan"), float("nan"), n)
    r = np.corrcoef(np.stack(table))
    rc, rs, rcs = r[0, 1], r[0, 2], r[1, 2]
    if 1.0 - rcs * rcs <= 1e-12:
        return MapCorrelation("R", float("nan"), float("nan"), n)
    square = float(np.clip((rc * rc + rs * rs - 2 * rc * rs * rcs) / (1 - rcs * rcs), 0.0, 1.0))
    f = (n - 3) * square / (2.0 * (1.0 - square)) if square < 1.0 else np.inf
    return MapCorrelation("R", float(np.sqrt(square)), float(fdtrc(2.0, n - 3.0, f)), n)


def correlate_maps(
    first: xr.DataArray | np.ndarray, second: xr.DataArray | np.ndarray, *, method: str = "pearson"
) -> MapCorrelation:
    """Associate two maps over their cells, by what kind of quantity they are.

    Parameters
    ----------
    first, second : DataArray or array (y, x)
        ``attrs["kind"]`` says whether it is a number (``continuous``) or an angle (``circular``).
        With a reference system, distances between cells are those on the ground, else counted in
        cells.
    method : {"pearson", "spearman"}
        For two numbers.

    Returns
    -------
    MapCorrelation
        Pearson's r or Spearman's rho, or the circular-linear R where one of the two is an angle;
        NaN for a constant map or fewer than 4 cells.

    Raises
    ------
    GridError
        If the shapes differ.
    DataError
        For classes, two angles, infinite values, or an unknown method.

    Notes
    -----
    The honest p is Dutilleul's (:func:`headwater.inference.dutilleul.modified_t_test`, classes one
    cell wide), for ranks that of the maps of ranks. For an angle, R is the correlation of the
    values with their least-squares fit on its cosine and sine; the effective number M of these two
    maps stands in for n in ``F = (M - 3) R² / (2 (1 - R²))``. That is an approximation of ours,
    which rejects 3 to 6.5 % of simulated independent fields at a level of 5 %
    (docs/simulations/correlation.md).

    References
    ----------
    Dutilleul, P. (1993). Modifying the t test for assessing the correlation between two spatial
    processes. Biometrics 49, 305-314. doi:10.2307/2532625

    Examples
    --------
    >>> a = xr.DataArray([[1.0, 2.0], [3.0, np.nan]], dims=("y", "x"))
    >>> correlate_maps(a, 2 * a).n
    3
    """
    maps = [_as_map(first), _as_map(second)]
    return next(_associations(maps[0], {"second": maps[1]}, method))[1]


def _as_map(data: xr.DataArray | np.ndarray) -> xr.DataArray:
    return data if isinstance(data, xr.DataArray) else xr.DataArray(data, dims=("y", "x"))


def matrix(maps: Mapping[str, xr.DataArray], *, method: str = "pearson") -> pd.DataFrame:
    """Associate every pair of maps.

    Parameters
    ----------
    maps : mapping of str to DataArray (y, x)
        On one grid. Classes are left out.
    method : {"pearson", "spearman"}
        As in :func:`correlate_maps`.

    Returns
    -------
    DataFrame
        One row per pair: ``first``, ``second``, ``statistic`` (r, rho or R), ``value``, ``p``
        (cells independent), ``n``, ``n_effective`` and ``p_effective`` (Dutilleul) [all 1].

    Raises
    ------
    GridError
        If the shapes differ.
    DataError
        For infinite values, fewer than two maps, or an unknown method.

    Examples
    --------
    >>> a = xr.DataArray([[1.0, 2.0, 4.0, 3.0]], dims=("y", "x"))
    >>> round(float(matrix({"theta": a, "rain": 2 * a}).loc[0, "value"]), 6)
    1.0
    """
    usable = {name: data for name, data in maps.items() if data.attrs.get("kind") != "categorical"}
    if len(usable) < 2:
        raise DataError(
            "nothing to correlate",
            found=f"{len(usable)} maps of numbers or angles",
            do="Give at least two variables",
        )
    names, rows = list(usable), []
    for i, name in enumerate(names[:-1]):
        others = {key: usable[key] for key in names[i + 1 :]}
        if usable[name].attrs.get("kind") == "circular":
            others = {k: o for k, o in others.items() if o.attrs.get("kind") != "circular"}
        found = dict(_associations(usable[name], others, method))
        rows += [(name, key, *_fields(found[key])) for key in others]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table.attrs["units"] = dict.fromkeys(_COLUMNS[3:], "1")
    return table


def _fields(found: MapCorrelation) -> tuple[Any, ...]:
    return tuple(getattr(found, name) for name in _COLUMNS[2:])


def _associations(
    first: xr.DataArray, others: Mapping[str, xr.DataArray], method: str
) -> Iterator[tuple[str, MapCorrelation]]:
    """Associate one map with several, those of numbers in one go."""
    if method not in {"pearson", "spearman"}:
        raise DataError("unknown method", found=f"'{method}'", do="Use 'pearson' or 'spearman'")
    for other in others.values():
        _check_pair(first, other)
    one_turns = first.attrs.get("kind") == "circular"
    plain = (
        {}
        if one_turns
        else {
            name: other for name, other in others.items() if other.attrs.get("kind") != "circular"
        }
    )
    size = _cell(first)
    if plain:
        yield from zip(plain, _linear(first, list(plain.values()), size, method), strict=True)
    for name in others.keys() - plain.keys():
        angle, values = (first, others[name]) if one_turns else (others[name], first)
        yield name, _turning(angle.values, values.values, size)


def _linear(
    first: xr.DataArray, others: list[xr.DataArray], size: tuple[float, float], method: str
) -> Iterator[MapCorrelation]:
    maps = [np.asarray(data.values, dtype=float) for data in (first, *others)]
    if method == "spearman":
        # ranks are those among the cells that both have, so every pair has its own
        tests = [modified_t_test(*_ranked(maps[0], other), cell_size=size) for other in maps[1:]]
        for test in tests:
            yield MapCorrelation(
                "rho", test.r, test.p_naive, test.n, test.effective_n, test.p_value
            )
        return
    test = modified_t_test(maps[0], np.stack(maps[1:]), cell_size=size)
    columns = (test.r, test.p_naive, test.n, test.effective_n, test.p_value)
    for r, p, n, enough, honest in zip(*columns, strict=True):
        yield MapCorrelation("r", float(r), float(p), int(n), float(enough), float(honest))


def _ranked(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.stats import rankdata

    if np.isinf(a).any() or np.isinf(b).any():
        raise DataError("infinite values", found="inf", do="Set them to NaN if they mean missing")
    both = ~(np.isnan(a) | np.isnan(b))
    ranks = np.full((2, *a.shape), np.nan)
    ranks[0, both], ranks[1, both] = rankdata(a[both]), rankdata(b[both])
    return ranks[0], ranks[1]


def _turning(angle: np.ndarray, values: np.ndarray, size: tuple[float, float]) -> MapCorrelation:
    from scipy.special import fdtrc

    found = circular_linear(angle, values)
    if np.isnan(found.value):
        return found
    both = ~(np.isnan(angle) | np.isnan(values))
    turn = np.radians(angle[both])
    design = np.stack([np.ones(turn.size), np.cos(turn), np.sin(turn)], axis=1)
    fit = np.full(np.shape(values), np.nan)
    fit[both] = design @ np.linalg.lstsq(design, values[both], rcond=None)[0]
    enough = modified_t_test(np.where(both, values, np.nan), fit, cell_size=size).effective_n
    square, dof = found.value**2, enough - 3.0
    f = dof * square / (2.0 * (1.0 - square)) if square < 1.0 else np.inf
    honest = float(fdtrc(2.0, dof, f)) if dof > 0 else float("nan")
    return replace(found, n_effective=float(enough), p_effective=honest)


def _check_pair(first: xr.DataArray, second: xr.DataArray) -> None:
    if first.shape != second.shape or first.ndim != 2:
        raise GridError(
            "maps of different cells",
            found=f"{first.shape} and {second.shape}",
            do="Give two maps (y, x), aligned onto one grid",
        )
    kinds = [data.attrs.get("kind", "continuous") for data in (first, second)]
    if "categorical" in kinds or kinds == ["circular", "circular"]:
        raise DataError(
            f"{words(first)} and {words(second)} have no correlation",
            found=f"{kinds[0]} and {kinds[1]} quantities",
            do="Leave one out; for classes use the geographical detector",
        )


def _cell(data: xr.DataArray) -> tuple[float, float]:
    """Height and width of the middle cell [m]; of one cell where the ground is not known."""
    try:
        eastward, northward = cell_size(data)
    except (CRSError, GridError):
        return 1.0, 1.0
    middle = data.shape[0] // 2
    return float(abs(northward[middle])), float(abs(eastward[middle]))
