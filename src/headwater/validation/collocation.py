"""Errors of three or more products of which none is the truth, from their covariances alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError, nearest
from headwater.figures import drawing_on
from headwater.results import TableResult, fingerprint, of_inputs
from headwater.validation.measures import raised

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Collocation", "extended_collocation", "triple_collocation", "triple_collocations"]

Floats = NDArray[np.float64]

_FEWEST = 8
_CHUNK = 250
_REFERENCES = (
    "Stoffelen, A. (1998). Toward the true near-surface wind speed: error modeling and calibration "
    "using triple collocation. Journal of Geophysical Research 103, 7755-7766. "
    "doi:10.1029/97JC03180",
    "Gruber, A. et al. (2016). Recent advances in (soil moisture) triple collocation analysis. "
    "International Journal of Applied Earth Observation and Geoinformation 45, 200-211. "
    "doi:10.1016/j.jag.2015.09.002",
)
_QUANTITIES = (
    "error_variance",
    "error_sd",
    "error_sd_scaled",
    "beta",
    "signal_variance",
    "snr_db",
    "correlation",
)


@dataclass(frozen=True, slots=True, eq=False)
class Collocation(TableResult):
    """Signal and error of every product.

    Columns: dataset, n, error_variance, error_sd, error_sd_scaled, beta, signal_variance, snr_db,
    correlation, each but the first two with ``_low`` and ``_high``, and ``flag``. An error variance
    below 0 keeps its sign; the quantities that have no value then are NaN, and ``flag`` says so.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the signal-to-noise ratios and error standard deviations with their intervals."""
        from headwater.validation.plots import draw_collocation

        with drawing_on(ax):
            return draw_collocation(self.data)


@of_inputs
def triple_collocation(
    frame: pd.DataFrame,
    *,
    reference: str | None = None,
    rng: np.random.Generator,
    n_resamples: int = 999,
    level: float = 0.95,
    length: int | None = None,
    units: str = "m3 m-3",
) -> Collocation:
    r"""Estimate the errors of three products that see one truth with independent errors.

    Parameters
    ----------
    frame : DataFrame, shape (time, 3)
        A column for each product, rows evenly spaced in time, NaN where missing; only rows with all
        three count.
    reference : str, optional
        Column whose scale ``beta`` and ``error_sd_scaled`` refer to; by default the first.
    rng : numpy Generator
        Source of randomness of the block bootstrap.
    n_resamples : int
        Of the bootstrap.
    level : float
        Coverage of the intervals [1].
    length : int, optional
        Length of its blocks [rows]; by default the longest that
        :func:`headwater.inference.bootstrap.block_length` finds for the products.
    units : str
        Unit of the products.

    Returns
    -------
    Collocation

    Raises
    ------
    DataError
        If there are not three columns, fewer than 8 rows are complete, or a product is constant.

    Notes
    -----
    .. math::
        \sigma^2_{\varepsilon x} = V_x - \frac{C_{xy} C_{xz}}{C_{yz}}, \quad
        \beta_y = \frac{C_{xz}}{C_{yz}}, \quad
        \mathrm{SNR}_x = 10 \log_{10} \frac{C_{xy} C_{xz} / C_{yz}}{\sigma^2_{\varepsilon x}},
        \quad R_x^2 = \frac{C_{xy} C_{xz}}{V_x C_{yz}}

    with covariances of ddof 1; β multiplies a product to bring its signal to the scale of the
    reference. Intervals are of the block bootstrap, widened for few blocks
    (:func:`headwater.inference.bootstrap.expanded_level`). Chance, or errors that are not
    independent, can make an error variance negative: the product is then better than the data can
    resolve, or an assumption fails. The interval of the variance is always given, and no finite SNR
    is made up from absolute values.

    References
    ----------
    Stoffelen (1998), doi:10.1029/97JC03180; Gruber et al. (2016), doi:10.1016/j.jag.2015.09.002.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.normal(0.25, 0.05, 2000)
    >>> seen = {sd: truth + rng.normal(0, sd, 2000) for sd in (0.02, 0.03, 0.04)}
    >>> found = triple_collocation(pd.DataFrame(seen), rng=rng, n_resamples=99)
    >>> found.data.error_sd.round(2).tolist()
    [0.02, 0.03, 0.04]
    """
    columns = _product_names(frame, exactly=3)
    home = _position(columns, reference)
    data = _complete_rows(frame)
    drawn, size = _resampled(data, rng, n_resamples, length)
    reported = _triplet(_covariance_of(data), home)
    low, high = _bounds(_triplet(drawn, home), level, len(data) / size)
    table = _quantity_table(columns, data, reported, low, high)
    return _collocation(
        table,
        "Triple collocation with a circular block bootstrap",
        _REFERENCES,
        (data, columns, home, level),
        (f"Scale of {columns[home]}", f"blocks of {size} rows, {n_resamples} resamples"),
        units,
    )


def triple_collocations(
    frame: pd.DataFrame, *, reference: str | None = None, rng: np.random.Generator, **options: Any
) -> pd.DataFrame:
    """Run the triple collocation of every three of many products.

    Parameters
    ----------
    frame : DataFrame, shape (time, products)
        At least 3 columns; every triplet uses the rows that it has complete.
    reference : str, optional
        Only triplets with this product, and on its scale.
    rng : numpy Generator
        Source of randomness.
    **options
        As for :func:`triple_collocation`.

    Returns
    -------
    DataFrame
        The rows of all triplets with a column ``triplet``; a triplet that cannot be computed has
        one row with the reason as ``flag``.

    Raises
    ------
    DataError
        If there are fewer than 3 columns.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> seen = rng.normal(0.25, 0.05, (500, 1)) + rng.normal(0, 0.02, (500, 4))
    >>> frame = pd.DataFrame(seen, columns=list("abcd"))
    >>> found = triple_collocations(frame, rng=rng, n_resamples=20)
    >>> found.triplet.nunique()
    4
    """
    import pandas as pd

    columns = _product_names(frame)
    parts = []
    for names in combinations(columns, 3):
        if reference is not None and reference not in names:
            continue
        title = ", ".join(names)
        try:
            own = triple_collocation(frame[list(names)], reference=reference, rng=rng, **options)
            parts.append(own.data.assign(triplet=title))
        except DataError as error:
            parts.append(pd.DataFrame({"triplet": [title], "flag": [str(error)]}))
    return pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)


def _triplet(covariance: Floats, home: int) -> Floats:
    """Turn covariances of shape (..., 3, 3) into the quantities, shape (..., quantity, 3)."""
    found = np.empty((*covariance.shape[:-2], len(_QUANTITIES), 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            signal = covariance[..., i, j] * covariance[..., i, k] / covariance[..., j, k]
            other = 3 - i - home
            beta = (
                np.ones(covariance.shape[:-2])
                if i == home
                else covariance[..., home, other] / covariance[..., i, other]
            )
            variance = covariance[..., i, i]
            found[..., i] = np.stack(_derived(variance - signal, signal, beta), axis=-1)
    return found


_EXTENDED = (
    "Gruber, A. et al. (2016). Estimating error cross-correlations in soil moisture data sets "
    "using extended collocation analysis. Journal of Geophysical Research: Atmospheres 121, "
    "1208-1219. doi:10.1002/2015JD024027 (recalled, unchecked)",
)


@of_inputs
def extended_collocation(
    frame: pd.DataFrame,
    *,
    correlated: Sequence[tuple[str, str]] = (),
    rng: np.random.Generator,
    n_resamples: int = 999,
    level: float = 0.95,
    length: int | None = None,
    units: str = "m3 m-3",
) -> Collocation:
    r"""Estimate the errors of four or more products, of which some may err together.

    Parameters
    ----------
    frame : DataFrame, shape (time, products)
        As for :func:`triple_collocation`.
    correlated : sequence of pairs of str
        Products whose errors may be correlated.
    rng, n_resamples, level, length, units
        As for :func:`triple_collocation`.

    Returns
    -------
    Collocation
        Without ``beta`` and ``error_sd_scaled``, but a row ``a & b`` for every correlated pair,
        whose ``error_variance`` is the error covariance and ``correlation`` that of the errors.

    Raises
    ------
    DataError
        If there are fewer than 3 columns, a pair names an unknown product, or a product is in no
        triplet of independent errors.

    Notes
    -----
    Ordinary least squares of all covariances on signal variances, error variances and error
    covariances: every triplet i, j, k of independent errors gives an estimate
    :math:`C_{ij} C_{ik} / C_{jk}` of the signal variance of i, and every fitting quadruplet
    :math:`C_{ik} C_{jl} / C_{kl}` one of the shared signal of a correlated pair. Variances keep
    their sign.

    References
    ----------
    Gruber, A. et al. (2016). Journal of Geophysical Research: Atmospheres 121, 1208-1219.
    doi:10.1002/2015JD024027 (recalled, unchecked).

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> truth, shared = rng.normal(0.25, 0.05, (1, 3000)), rng.normal(0, 0.02, 3000)
    >>> seen = pd.DataFrame((truth + rng.normal(0, 0.02, (4, 3000))).T, columns=list("abcd"))
    >>> seen[["a", "b"]] = seen[["a", "b"]].add(shared, axis=0)
    >>> found = extended_collocation(seen, correlated=[("a", "b")], rng=rng, n_resamples=99).data
    >>> found.correlation.round(1).tolist()[-1]
    0.5
    """
    columns = _product_names(frame)
    pairs = [tuple(sorted(_position(columns, name) for name in pair)) for pair in correlated]
    system = _System.of(len(columns), pairs)
    _check_covered(system, columns)
    data = _complete_rows(frame)
    drawn, size = _resampled(data, rng, n_resamples, length)
    reported = system.solve(_covariance_of(data))
    low, high = _bounds(system.solve(drawn), level, len(data) / size)
    names = [*columns, *(f"{columns[i]} & {columns[j]}" for i, j in pairs)]
    table = _quantity_table(names, data, reported, low, high)
    return _collocation(
        table,
        "Extended collocation by least squares with a circular block bootstrap",
        (*_REFERENCES, *_EXTENDED),
        (data, columns, str(correlated), level),
        (f"blocks of {size} rows, {n_resamples} resamples",),
        units,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _System:
    """The least-squares system of extended collocation: every row is one known combination."""

    count: int
    pairs: list[tuple[int, ...]]
    design: Floats
    products: list[tuple[int, ...]]

    @classmethod
    def of(cls, count: int, pairs: list[tuple[int, ...]]) -> _System:
        """Unknown are signals, shared signals, errors and error covariances, in this order."""
        half = count + len(pairs)
        rows = [np.r_[np.eye(half)[i], np.eye(half)[i]] for i in range(half)]
        products: list[tuple[int, ...]] = []
        for i in range(count):
            for j, k in combinations([c for c in range(count) if c != i], 2):
                if not _any_paired(pairs, (i, j), (i, k), (j, k)):
                    rows.append(np.eye(2 * half)[i])
                    products.append((i, j, i, k, j, k))
        for number, (i, j) in enumerate(pairs):
            for k, m in permutations([c for c in range(count) if c not in (i, j)], 2):
                if not _any_paired(pairs, (i, k), (j, m), (k, m)):
                    rows.append(np.eye(2 * half)[count + number])
                    products.append((i, k, j, m, k, m))
        return cls(count, pairs, np.array(rows), products)

    def solve(self, covariance: Floats) -> Floats:
        """Turn covariances of shape (..., c, c) into quantities, shape (..., quantity, row)."""
        known = [covariance[..., i, i] for i in range(self.count)]
        known += [covariance[..., i, j] for i, j in self.pairs]
        with np.errstate(divide="ignore", invalid="ignore"):
            for a, b, c, d, e, f in self.products:
                top = covariance[..., a, b] * covariance[..., c, d]
                known.append(top / covariance[..., e, f])
        solution = np.stack(known, axis=-1) @ np.linalg.pinv(self.design).T
        signal, error = np.split(solution, 2, axis=-1)
        blank = np.full(error.shape, np.nan)
        found = np.stack(_derived(error, signal, blank), axis=-2)
        for number, (i, j) in enumerate(self.pairs):
            shared = error[..., self.count + number]
            scale = error[..., i] * error[..., j]
            row = np.full((*shared.shape, len(_QUANTITIES)), np.nan)
            row[..., 0] = shared
            row[..., -1] = shared / np.sqrt(np.where(scale > 0, scale, np.nan))
            found[..., self.count + number] = row
        return found


def _any_paired(pairs: list[tuple[int, ...]], *candidates: tuple[int, int]) -> bool:
    return any(tuple(sorted(pair)) in pairs for pair in candidates)


def _check_covered(system: _System, columns: list[str]) -> None:
    half = system.design.shape[1] // 2
    lost = np.flatnonzero(system.design[half:, :half].sum(axis=0) == 0)
    if lost.size:
        names = [*columns, *(f"{columns[i]} & {columns[j]}" for i, j in system.pairs)]
        raise DataError(
            "a product is in no triplet of products with independent errors",
            found=", ".join(names[i] for i in lost),
            do="Add a product, or name fewer correlated pairs",
        )


def _derived(error: Any, signal: NDArray[Any], beta: NDArray[Any]) -> tuple[Any, ...]:
    """Return the quantities; an SNR is unbounded where the error, or the signal, is below 0."""
    sd = np.sqrt(np.where(error >= 0, error, np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((error > 0) & (signal > 0), signal / error, np.nan)
        decibel = 10.0 * np.log10(ratio)
        r = np.sqrt(np.clip(signal / (signal + error), 0.0, None))
    return error, sd, sd * np.abs(beta), beta, signal, decibel, np.where(r <= 1.0, r, np.nan)


def _product_names(frame: pd.DataFrame, exactly: int | None = None) -> list[str]:
    """Return the names of the columns, or say that there are too few or too many."""
    names = [str(name) for name in frame.columns]
    if len(names) < 3 or (exactly and len(names) != exactly) or len(set(names)) < len(names):
        raise DataError(
            f"a collocation needs {'three' if exactly else 'three or more'} different products",
            found=", ".join(names) or "none",
            do="Select columns; triple_collocations and extended_collocation take more than three",
        )
    return names


def _position(columns: list[str], name: str | None) -> int:
    """Find a product among the columns; the first, if none is named."""
    if name is None:
        return 0
    if name not in columns:
        raise DataError("unknown product", found=f"'{name}'", do=nearest(name, columns))
    return columns.index(name)


def _complete_rows(frame: pd.DataFrame) -> Floats:
    """Return the values, all NaN in rows of which one is missing, so that gaps keep their place."""
    data = np.array(frame, dtype=float)
    if np.isinf(data).any():
        raise DataError("infinite values", found="inf", do="Set them to NaN if they mean missing")
    data[~np.isfinite(data).all(axis=1)] = np.nan
    valid = data[np.isfinite(data[:, 0])]
    if len(valid) < _FEWEST:
        raise DataError(
            "too few rows with all products",
            found=f"{len(valid)}",
            do=f"Give at least {_FEWEST}, better 100; a wider matching window may help",
        )
    steady = np.ptp(valid, axis=0) == 0
    if steady.any():
        raise DataError(
            "a product is constant",
            found=", ".join(
                str(name) for name, constant in zip(frame.columns, steady, strict=True) if constant
            ),
            do="Leave it out",
        )
    return data


def _covariance_of(data: Floats) -> Floats:
    """Compute the covariances of the complete rows, ddof 1."""
    covariance: Floats = np.cov(data[np.isfinite(data[:, 0])].T)
    return covariance


def _resampled(
    data: Floats, rng: np.random.Generator, n_resamples: int, length: int | None
) -> tuple[Floats, int]:
    """Draw covariances of block n_resamples, (resample, product, product), and a block length."""
    from headwater.inference.bootstrap import block_indices, block_length

    n, count = data.shape
    size = length or int(np.ceil(max(block_length(column) for column in data.T)))
    valid = np.isfinite(data[:, 0])
    centred = np.where(valid[:, None], data - np.nanmean(data, axis=0), 0.0)
    upper = np.triu_indices(count)
    terms = np.column_stack([valid, centred, centred[:, upper[0]] * centred[:, upper[1]]])
    found = np.empty((n_resamples, count, count))
    for start in range(0, n_resamples, _CHUNK):
        stop = min(start + _CHUNK, n_resamples)
        times = np.array([block_indices(n, size, rng=rng) for _ in range(stop - start)])
        # how often each row is drawn; its terms then add up in one product of matrices
        rows = times + n * np.arange(stop - start)[:, None]
        often = np.bincount(rows.ravel(), minlength=n * (stop - start)).reshape(-1, n)
        sums = often.astype(float) @ terms
        held, mean = sums[:, :1], sums[:, 1 : count + 1] / np.maximum(sums[:, :1], 1.0)
        whole = sums[:, count + 1 :] - held * mean[:, upper[0]] * mean[:, upper[1]]
        whole = whole / np.where(held > 2, held - 1.0, np.nan)
        found[start:stop, upper[0], upper[1]] = whole
        found[start:stop, upper[1], upper[0]] = whole
    return found, size


def _bounds(drawn: Floats, level: float, blocks: float) -> tuple[Floats, Floats]:
    """Take percentile intervals; where an error is below 0 its SNR is without bound and R is 1."""
    from headwater.inference.bootstrap import expanded_level

    drawn = drawn.copy()
    error, signal = drawn[:, 0], drawn[:, 4]
    beyond = (error <= 0) & (signal > 0)
    drawn[:, 1][error <= 0] = 0.0
    drawn[:, 2][(error <= 0) & np.isfinite(drawn[:, 3])] = 0.0
    drawn[:, 5][beyond] = np.inf
    drawn[:, 5][signal <= 0] = -np.inf
    drawn[:, 6][beyond & np.isnan(drawn[:, 6])] = 1.0
    tail = (1.0 - expanded_level(level, blocks)) / 2.0
    ordered = np.sort(drawn, axis=0)
    n = np.maximum(np.isfinite(ordered).sum(axis=0) + np.isinf(ordered).sum(axis=0), 1)
    low, high = (
        np.take_along_axis(ordered, np.rint(share * (n - 1)).astype(int)[None], axis=0)[0]
        for share in (tail, 1.0 - tail)
    )
    return low, high


def _quantity_table(
    names: list[str], data: Floats, reported: Floats, low: Floats, high: Floats
) -> pd.DataFrame:
    """Lay out the quantities of all products in rows, with their intervals and flags."""
    import pandas as pd

    n = int(np.isfinite(data[:, 0]).sum())
    columns: dict[str, Any] = {"dataset": names, "n": n}
    for number, quantity in enumerate(_QUANTITIES):
        columns[quantity] = reported[number]
        columns[f"{quantity}_low"], columns[f"{quantity}_high"] = low[number], high[number]
    table = pd.DataFrame(columns).dropna(axis=1, how="all")
    table["flag"] = [_flag(reported[:, i], low[:, i], "&" in name) for i, name in enumerate(names)]
    return table


def _flag(reported: Floats, low: Floats, pair: bool) -> str:
    if pair:
        return ""
    if reported[4] <= 0:
        return "signal variance not positive: the products do not see one truth"
    if reported[0] < 0:
        return "error variance negative: no error, SNR or R"
    if low[0] < 0:
        return "error variance not distinguished from 0"
    return ""


def _collocation(
    table: pd.DataFrame,
    method: str,
    references: tuple[str, ...],
    inputs: tuple[Any, ...],
    choices: tuple[str, ...],
    units: str,
) -> Collocation:
    """Make the result, with units, flags as cautions, and the inputs' fingerprint."""
    power = {
        "error_variance": raised(units, 2),
        "error_sd": units,
        "error_sd_scaled": units,
        "signal_variance": raised(units, 2),
        "snr_db": "dB",
    }
    table.attrs["units"] = {
        name: power.get(name.removesuffix("_low").removesuffix("_high"), "1")
        for name in table.columns
        if name not in ("dataset", "flag")
    }
    flagged = table[table["flag"] != ""]
    cautions = [f"{row.dataset}: {row.flag}." for row in flagged.itertuples()]
    cautions.append(
        "Valid only if the errors are independent of the truth and, unless stated "
        "otherwise, of each other."
    )
    return Collocation(table, method, references, fingerprint(*inputs), choices, tuple(cautions))
