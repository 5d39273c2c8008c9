"""Tests and intervals of what two factors explain together, by resampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from headwater.detector.resample import Blocks, BlockSums, Resampling, q_of_sums
from headwater.detector.strata import Strata, cross_strata
from headwater.inference.significance import chance_p

__all__ = ["crossed_samples", "gain_p", "nonadditive_p", "paired_p", "sign_flip_p"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Pair = tuple[str, str]


def gain_p(
    values: Floats,
    partitions: Mapping[str, Strata],
    pairs: Sequence[Pair],
    weights: Floats | None,
    by: Resampling,
) -> list[float]:
    """Test for every pair whether crossing explains more than its first factor alone.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The response [any unit]; NaN is missing.
    partitions : mapping of str to Strata
        The factors, of the same units.
    pairs : sequence of tuple of str
        Names of two factors, the better one first.
    weights : ndarray, shape (n,), optional
        Weight of each unit.
    by : Resampling
        With a null.

    Returns
    -------
    list of float
        p of each pair.

    Notes
    -----
    What the first factor leaves unexplained is drawn anew (the permutation of residuals after
    Freedman and Lane), and the share that crossing takes of it is compared with the share observed.
    """
    assert by.null is not None
    p: dict[Pair, float] = {}
    for one in dict.fromkeys(first for first, _ in pairs):
        left = _left(values, partitions[one].codes, partitions[one].realised, weights)
        others = {
            two: _Nested(partitions[one], partitions[two], values, weights)
            for first, two in pairs
            if first == one
        }
        gains: dict[str, list[Floats]] = {two: [] for two in others}
        equal = by.null.tested(left)[None]
        for block in by.null.draw(left, by.n_resamples, by.rng):
            for two, other in others.items():
                gains[two].append(other.gain(block))
        for two, other in others.items():
            observed = float(other.gain(equal)[0])
            p[one, two] = chance_p(observed, np.concatenate(gains[two]))
    return [p[pair] for pair in pairs]


def nonadditive_p(
    values: Floats, pair: tuple[Strata, Strata], weights: Floats | None, by: Resampling
) -> float:
    """Test whether crossing explains more than the sum of both factors' effects.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The response [any unit]; NaN is missing.
    pair : tuple of Strata
        Two factors.
    weights : ndarray, shape (n,), optional
        Weight of each unit.
    by : Resampling
        With a null.

    Returns
    -------
    float
        p; NaN where no crossing goes beyond the sum.
    """
    assert by.null is not None
    model = _Additive(pair[0], pair[1], values, weights)
    if model.free < 1:
        return np.nan
    left = model.left(values)
    drawn = [model.gain(block) for block in by.null.draw(left, by.n_resamples, by.rng)]
    equal = by.null.tested(left)[None]
    return chance_p(float(model.gain(equal)[0]), np.concatenate(drawn))


def crossed_samples(
    values: Floats, pair: tuple[Strata, Strata], weights: Floats | None, by: Resampling
) -> tuple[Floats, Floats, Floats]:
    """Resample the adjusted q of two factors and of their crossing.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The response [any unit]; NaN is missing.
    pair : tuple of Strata
        Two factors.
    weights : ndarray, shape (n,), optional
        Weight of each unit.
    by : Resampling
        With blocks.

    Returns
    -------
    first, second, crossed : ndarray, shape (resamples,)
    """
    assert by.blocks is not None
    one, two = pair
    shape = (one.realised, two.realised)
    sums = BlockSums.of(values, cross_strata(one, two), shape[0] * shape[1], by.blocks, weights)
    drawn = sums.resampled(by.n_resamples, by.rng)
    table = drawn.reshape(len(drawn), *shape, 4)
    return q_of_sums(table.sum(axis=2))[1], q_of_sums(table.sum(axis=1))[1], q_of_sums(drawn)[1]


def paired_p(
    values: Floats, pair: tuple[Strata, Strata], blocks: Blocks, weights: Floats | None = None
) -> float:
    """Test whether two factors predict the response equally well.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The response [any unit]; NaN is missing.
    pair : tuple of Strata
        Two factors.
    blocks : Blocks
        Whose differences are exchanged together.
    weights : ndarray, shape (n,), optional
        Weight of each unit.

    Returns
    -------
    float
        Two-sided p; NaN where a stratum has one unit, whose mean nothing is left to predict.

    Notes
    -----
    Each unit is predicted by the mean of the others in its stratum, once by each factor. Where the
    two predict equally well, the difference of the squared errors is as likely to have either sign:
    the signs of whole blocks of differences are flipped, in all ways (:func:`sign_flip_p`).

    Examples
    --------
    >>> x = np.repeat(np.arange(4, dtype=np.int32), 25)
    >>> one, two = Strata(x, tuple("abcd")), Strata(np.roll(x, 50) // 2, tuple("ab"))
    >>> y = x + np.tile([-0.1, 0.1], 50)
    >>> paired_p(y, (one, two), Blocks(np.arange(100) % 20)) < 1e-4
    True
    """
    both = (pair[0].codes >= 0) & (pair[1].codes >= 0) & ~np.isnan(values)
    y = np.where(both, values, np.nan)
    losses = [_left_out(y, part, weights) for part in pair]
    difference = losses[0] - losses[1]
    kept = both & ~np.isnan(difference)
    if not kept.any():
        return np.nan
    unit = np.ones(values.size) if weights is None else weights
    by_block = np.bincount(blocks.labels[kept], (unit * difference)[kept], minlength=blocks.number)
    return sign_flip_p(np.asarray(by_block, dtype=np.float64))


def sign_flip_p(differences: Floats) -> float:
    r"""Compute the p of a sum whose terms could have had either sign.

    Parameters
    ----------
    differences : ndarray, shape (m,)
        The terms [any unit].

    Returns
    -------
    float
        Two-sided p over all 2^m ways of setting signs; 2^(1 - m) at the least.

    Notes
    -----
    Up to 14 terms all ways are counted. Beyond, the tail follows from the cumulant generating
    function of the sum, :math:`K(s) = \sum \log \cosh(s d_i)`, by the formula of Lugannani and
    Rice, whose relative error stays small far out: no number of draws bounds the answer, so that
    it can stand a correction for many pairs.

    References
    ----------
    Lugannani, R., Rice, S. (1980). Saddle point approximation for the distribution of the sum of
    independent random variables. Advances in Applied Probability 12, 475-490.
    https://doi.org/10.2307/1426607

    Examples
    --------
    >>> sign_flip_p(np.ones(4)), round(sign_flip_p(np.ones(100)), 33)
    (0.125, 1.578e-30)
    """
    terms = differences[differences != 0]
    if terms.size == 0:
        return 1.0
    observed = abs(float(terms.sum()))
    if terms.size <= 14:
        signs = 1.0 - 2.0 * ((np.arange(2**terms.size)[:, None] >> np.arange(terms.size)) & 1)
        return float((np.abs(signs @ terms) >= observed * (1 - 1e-9)).mean())
    least = 2.0 ** (1 - terms.size)
    return float(np.clip(2.0 * _saddlepoint_tail(np.abs(terms), observed), least, 1.0))


def _saddlepoint_tail(terms: Floats, observed: float) -> float:
    """Probability that random signs sum to at least as much."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    if observed >= terms.sum() * (1 - 1e-12):
        return 0.0
    spread = float(np.sqrt((terms**2).sum()))
    if observed < 1e-3 * spread:
        return float(ndtr(-observed / spread))

    def excess(s: float) -> float:
        return float(terms @ np.tanh(s * terms)) - observed

    high = 1.0 / spread
    while excess(high) < 0:
        high *= 2.0
    s = float(brentq(excess, 0.0, high, xtol=1e-14 * high))
    u = s * terms
    cumulant = float((u + np.log1p(np.exp(-2.0 * u)) - np.log(2.0)).sum())
    curvature = float((terms**2 / np.cosh(np.minimum(u, 300.0)) ** 2).sum())
    root = np.sqrt(2.0 * (s * observed - cumulant))
    other = s * np.sqrt(curvature)
    tail = ndtr(-root) + np.exp(-(root**2) / 2.0) / np.sqrt(2.0 * np.pi) * (1 / other - 1 / root)
    return float(tail)


class _Cells:
    """Sums of many responses over the cells of a partition."""

    def __init__(self, codes: Codes, cells: int, kept: npt.NDArray[np.bool_], unit: Floats) -> None:
        from scipy.sparse import csr_array

        places = np.flatnonzero(kept)
        self.sums = csr_array((unit[places], (codes[places], places)), shape=(cells, codes.size))
        self.weight = np.asarray(self.sums.sum(axis=1)).ravel()

    def squares(self, sums: Floats) -> Floats:
        """Sum of (cell total)² / (cell weight), by response."""
        weight = np.where(self.weight > 0, self.weight, 1.0)
        found: Floats = (sums**2 / weight[:, None]).sum(axis=0)
        return found


class _Nested:
    """One factor within the crossing with another."""

    def __init__(self, one: Strata, two: Strata, values: Floats, weights: Floats | None) -> None:
        codes = cross_strata(one, two)
        self.kept = (codes >= 0) & ~np.isnan(values)
        self.unit = np.ones(values.size) if weights is None else weights
        self.shape = (one.realised, two.realised)
        self.cells = _Cells(codes, self.shape[0] * self.shape[1], self.kept, self.unit)
        self.margin = self.cells.weight.reshape(self.shape).sum(axis=1)

    def sums(self, block: Floats) -> tuple[Floats, Floats]:
        """Sum by cell, (cells, responses), and all squares, (responses,)."""
        clean = np.where(self.kept, block, 0.0)
        return self.cells.sums @ clean.T, clean**2 @ self.unit

    def gain(self, block: Floats) -> Floats:
        """Take the part of what the first factor leaves that crossing explains."""
        sums, squares = self.sums(block)
        by_margin = sums.reshape(*self.shape, -1).sum(axis=1)
        weight = np.where(self.margin > 0, self.margin, 1.0)
        alone = squares - (by_margin**2 / weight[:, None]).sum(axis=0)
        return _ratio(alone, squares - self.cells.squares(sums))


class _Additive(_Nested):
    """The sum of two factors' effects within their crossing."""

    def __init__(self, one: Strata, two: Strata, values: Floats, weights: Floats | None) -> None:
        super().__init__(one, two, values, weights)
        self.codes = cross_strata(one, two)
        present = self.cells.weight > 0
        rows, columns = np.divmod(np.flatnonzero(present), self.shape[1])
        design = np.hstack([np.eye(self.shape[0])[rows], np.eye(self.shape[1])[columns]])
        self.root = np.sqrt(self.cells.weight[present])
        left, sizes, _ = np.linalg.svd(design * self.root[:, None], full_matrices=False)
        self.basis = left[:, sizes > 1e-10 * sizes.max()]
        self.present, self.free = present, int(present.sum()) - self.basis.shape[1]

    def left(self, values: Floats) -> Floats:
        """Take from each unit the sum of the two effects."""
        sums, _ = self.sums(values[None])
        scaled = sums[self.present, 0] / self.root
        fitted = np.full(self.cells.weight.size + 1, np.nan)
        fitted[:-1][self.present] = self.basis @ (self.basis.T @ scaled) / self.root
        return np.where(self.kept, values - fitted[np.where(self.kept, self.codes, -1)], np.nan)

    def gain(self, block: Floats) -> Floats:
        """Take the part of what the sum leaves that crossing explains."""
        sums, squares = self.sums(block)
        scaled = sums[self.present] / self.root[:, None]
        together = ((self.basis.T @ scaled) ** 2).sum(axis=0)
        return _ratio(squares - together, squares - (scaled**2).sum(axis=0))


def _ratio(coarse: Floats, fine: Floats) -> Floats:
    """Take the gain of the finer model in units of what it leaves."""
    least = 1e-12 * np.maximum(coarse, 1e-300)
    return (coarse - fine) / np.maximum(fine, least)


def _left(values: Floats, codes: Codes, strata: int, weights: Floats | None) -> Floats:
    """Take from each unit the mean of its stratum."""
    kept = (codes >= 0) & ~np.isnan(values)
    unit = np.ones(values.size) if weights is None else weights
    weight = np.bincount(codes[kept], unit[kept], minlength=strata)
    total = np.bincount(codes[kept], (unit * values)[kept], minlength=strata)
    mean = np.append(total / np.where(weight > 0, weight, 1.0), np.nan)
    return np.where(kept, values - mean[np.where(kept, codes, -1)], np.nan)


def _left_out(values: Floats, strata: Strata, weights: Floats | None) -> Floats:
    """Square the error of predicting each unit by the others of its stratum."""
    codes = strata.codes
    kept = (codes >= 0) & ~np.isnan(values)
    unit = np.ones(values.size) if weights is None else weights
    n = np.append(np.bincount(codes[kept], minlength=strata.realised), 0)
    whole = np.append(np.bincount(codes[kept], unit[kept], minlength=strata.realised), 1.0)
    at = np.where(kept, codes, -1)
    others = np.where(n[at] > 1, whole[at] - unit, np.nan)
    left = _left(values, codes, strata.realised, weights)
    squared: Floats = (left * whole[at] / others) ** 2
    return squared
