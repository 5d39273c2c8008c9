"""Whether a map varies more at one end than at the other, and by how much."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headwater.detector.null_models import GridSpectral, present_values

__all__ = ["spread_across"]

Floats = npt.NDArray[np.float64]


def spread_across(
    values: npt.ArrayLike, cells: npt.NDArray[np.intp], shape: tuple[int, int]
) -> Floats | None:
    r"""Find out whether a map varies more at one end than at the other.

    Parameters
    ----------
    values : array_like, shape (n,)
        The response by cell [any unit]; NaN is missing.
    cells : ndarray of int, shape (n,)
        Place of each unit in the grid, counted along rows.
    shape : tuple of int
        Rows and columns of the grid.

    Returns
    -------
    ndarray, shape (n,), or None
        Local standard deviation, one on average; None where the map does not vary more unequally
        than 95 % of maps of its own spectrum do.

    Notes
    -----
    The logarithm of the mean squared difference of neighbours, in up to 8 × 8 parts of the map, is
    fitted by a plane. Differences of neighbours are used because a smooth map has many of them
    where it has few independent values.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> grows = np.exp(np.linspace(0, 2, 40)) * rng.normal(size=(40, 40))
    >>> scale = spread_across(grows.ravel(), np.arange(1600), (40, 40))
    >>> bool(5 < scale.max() / scale.min() < 10)
    True
    >>> spread_across(rng.normal(size=1600), np.arange(1600), (40, 40)) is None
    True
    """
    array, present = present_values(values)
    rows, columns = np.divmod(cells, shape[1])
    rows, columns = rows - rows.min(), columns - columns.min()
    box = (int(rows.max()) + 1, int(columns.max()) + 1)
    if min(box) < 8 or present.sum() < 100:
        return None
    plane = np.column_stack([rows / box[0] - 0.5, columns / box[1] - 0.5])
    sheet = np.full(box, np.nan)
    sheet[rows[present], columns[present]] = array[present]
    slopes = _log_spread_slopes(sheet[None])[0]
    own = plane @ slopes
    if np.ptp(own) < np.log(1.5):
        return None
    unequal = np.ptp(own)
    drawn = []
    for block in GridSpectral(cells, shape).draw(array, 99, np.random.default_rng(1)):
        sheets = np.full((len(block), *box), np.nan)
        sheets[:, rows, columns] = block
        drawn += np.ptp(_log_spread_slopes(sheets) @ plane.T, axis=1).tolist()
    if (1 + sum(one >= unequal for one in drawn)) / (1 + len(drawn)) > 0.05:
        return None
    scale: Floats = np.exp(own - own.mean())
    return scale


def _log_spread_slopes(sheets: Floats) -> Floats:
    """Fit a plane to the logarithm of the local standard deviation of maps, (maps, 2)."""
    number, (tall, wide) = len(sheets), sheets.shape[1:]
    parts = (min(8, tall // 4), min(8, wide // 4))
    down = np.arange(tall) * parts[0] // tall
    right = np.arange(wide) * parts[1] // wide
    part = (down[:, None] * parts[1] + right[None]).ravel()
    onto = np.eye(parts[0] * parts[1])[part]
    squares = np.zeros((number, parts[0] * parts[1]))
    pairs = np.zeros_like(squares)
    for step in (np.diff(sheets, axis=1) ** 2, np.diff(sheets, axis=2) ** 2):
        full = np.full((number, tall, wide), np.nan)
        full[:, : step.shape[1], : step.shape[2]] = step
        flat = full.reshape(number, -1)
        squares += np.nan_to_num(flat) @ onto
        pairs += (~np.isnan(flat)).astype(np.float64) @ onto
    enough = (pairs > 0.25 * pairs.max()).all(axis=0) & (squares > 0).all(axis=0)
    slopes = np.zeros((number, 2))
    if enough.sum() < 6:
        return slopes
    middle = np.column_stack(np.divmod(np.arange(enough.size), parts[1])) + 0.5
    design = np.column_stack([np.ones(enough.size), middle / np.array(parts) - 0.5])[enough]
    level = np.log(squares[:, enough] / pairs[:, enough]) / 2.0
    slopes[:] = np.linalg.lstsq(design, level.T, rcond=None)[0][1:].T
    return slopes
