"""What triple and extended collocation share: covariances of block resamples and their table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError, nearest
from headwater.results import TableResult, fingerprint
from headwater.validation.agreement import raised

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__: list[str] = []

Floats = NDArray[np.float64]

_FEWEST = 8
_CHUNK = 250
REFERENCES = (
    "Stoffelen, A. (1998). Toward the true near-surface wind speed: error modeling and calibration "
    "using triple collocation. Journal of Geophysical Research 103, 7755-7766. "
    "doi:10.1029/97JC03180",
    "Gruber, A. et al. (2016). Recent advances in (soil moisture) triple collocation analysis. "
    "International Journal of Applied Earth Observation and Geoinformation 45, 200-211. "
    "doi:10.1016/j.jag.2015.09.002",
)
QUANTITIES = (
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

    def plot(self) -> Figure:
        """Draw the signal-to-noise ratios and error standard deviations with their intervals."""
        from headwater.validation.plots import draw_collocation

        return draw_collocation(self.data)


def derived(error: Any, signal: Any, beta: Any) -> tuple[Any, ...]:
    """Return the quantities; an SNR is unbounded where the error, or the signal, is below 0."""
    sd = np.sqrt(np.where(error >= 0, error, np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((error > 0) & (signal > 0), signal / error, np.nan)
        decibel = 10.0 * np.log10(ratio)
        r = np.sqrt(np.clip(signal / (signal + error), 0.0, None))
    return error, sd, sd * np.abs(beta), beta, signal, decibel, np.where(r <= 1.0, r, np.nan)


def product_names(frame: pd.DataFrame, exactly: int | None = None) -> list[str]:
    """Return the names of the columns, or say that there are too few or too many."""
    names = [str(name) for name in frame.columns]
    if len(names) < 3 or (exactly and len(names) != exactly) or len(set(names)) < len(names):
        raise DataError(
            f"a collocation needs {'three' if exactly else 'three or more'} different products",
            found=", ".join(names) or "none",
            do="Select columns, or use collocate_all or extended_collocation for more than three",
        )
    return names


def position(columns: list[str], name: str | None) -> int:
    """Find a product among the columns; the first, if none is named."""
    if name is None:
        return 0
    if name not in columns:
        raise DataError("unknown product", found=f"'{name}'", do=nearest(name, columns))
    return columns.index(name)


def complete_rows(frame: pd.DataFrame) -> Floats:
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


def covariance_of(data: Floats) -> Floats:
    """Compute the covariances of the complete rows, ddof 1."""
    covariance: Floats = np.cov(data[np.isfinite(data[:, 0])].T)
    return covariance


def resampled(
    data: Floats, rng: np.random.Generator, resamples: int, length: int | None
) -> tuple[Floats, int]:
    """Draw covariances of block resamples, (resample, product, product), and a block length."""
    from headwater.inference import block_length
    from headwater.inference.bootstrap import block_indices

    n, count = data.shape
    size = length or int(np.ceil(max(block_length(column) for column in data.T)))
    valid = np.isfinite(data[:, 0])
    centred = np.where(valid[:, None], data - np.nanmean(data, axis=0), 0.0)
    upper = np.triu_indices(count)
    terms = np.column_stack([valid, centred, centred[:, upper[0]] * centred[:, upper[1]]])
    found = np.empty((resamples, count, count))
    for start in range(0, resamples, _CHUNK):
        stop = min(start + _CHUNK, resamples)
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


def bounds(drawn: Floats, level: float) -> tuple[Floats, Floats]:
    """Take percentile intervals; where an error is below 0 its SNR is without bound and R is 1."""
    drawn = drawn.copy()
    error, signal = drawn[:, 0], drawn[:, 4]
    beyond = (error <= 0) & (signal > 0)
    drawn[:, 1][error <= 0] = 0.0
    drawn[:, 2][(error <= 0) & np.isfinite(drawn[:, 3])] = 0.0
    drawn[:, 5][beyond] = np.inf
    drawn[:, 5][signal <= 0] = -np.inf
    drawn[:, 6][beyond & np.isnan(drawn[:, 6])] = 1.0
    tail = (1.0 - level) / 2.0
    ordered = np.sort(drawn, axis=0)
    n = np.maximum(np.isfinite(ordered).sum(axis=0) + np.isinf(ordered).sum(axis=0), 1)
    low, high = (
        np.take_along_axis(ordered, np.rint(share * (n - 1)).astype(int)[None], axis=0)[0]
        for share in (tail, 1.0 - tail)
    )
    return low, high


def quantity_table(
    names: list[str], data: Floats, told: Floats, low: Floats, high: Floats
) -> pd.DataFrame:
    """Lay out the quantities of all products in rows, with their intervals and flags."""
    import pandas as pd

    n = int(np.isfinite(data[:, 0]).sum())
    columns: dict[str, Any] = {"dataset": names, "n": n}
    for number, quantity in enumerate(QUANTITIES):
        columns[quantity] = told[number]
        columns[f"{quantity}_low"], columns[f"{quantity}_high"] = low[number], high[number]
    table = pd.DataFrame(columns).dropna(axis=1, how="all")
    table["flag"] = [_flag(told[:, i], low[:, i], "&" in name) for i, name in enumerate(names)]
    return table


def _flag(told: Floats, low: Floats, pair: bool) -> str:
    if pair:
        return ""
    if told[4] <= 0:
        return "signal variance not positive: the products do not see one truth"
    if told[0] < 0:
        return "error variance negative: no error, SNR or R"
    if low[0] < 0:
        return "error variance not told from 0"
    return ""


def collocation(
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
        "Valid only if the errors are independent of the truth and, unless told "
        "otherwise, of each other."
    )
    return Collocation(table, method, references, fingerprint(*inputs), choices, tuple(cautions))
