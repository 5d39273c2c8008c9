"""What is known of several waters: mean, scatter and number of samples of each tracer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, nearest
from headwater.isotopes.excess import with_excess
from headwater.isotopes.samples import group_label, group_rows, need_columns

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "Composition",
    "check_sources",
    "check_tracers",
    "compose",
    "compose_each",
    "compose_stated",
    "name_rows",
]

_ROWS_NAMED = 8


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """Several waters, sources or mixtures, each summarised.

    Attributes
    ----------
    labels : tuple of str
        One name per water (G).
    tracers : tuple of str
        One name per tracer (T).
    mean : array of shape (G, T)
        [‰, or the tracer's own unit]; NaN where a water has no value of a tracer.
    covariance : array of shape (G, T, T)
        Between samples of the same water; NaN where there is one sample.
    n : array of shape (G, T)
        Number of values.
    error : array of shape (G, T, T)
        Covariance of the measurement error of one sample; 0 where it is not known.
    rows : tuple of tuple of int
        Row numbers of the table that each water came from; empty for stated summaries.
    incomplete : int
        Number of rows that lack some tracer.
    """

    labels: tuple[str, ...]
    tracers: tuple[str, ...]
    mean: Any
    covariance: Any
    n: Any
    error: Any
    rows: tuple[tuple[int, ...], ...] = ()
    incomplete: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def mean_covariance(self) -> Any:
        """Return the covariance of the means, (G, T, T): scatter / n, or the error of one sample.

        Values of a tracer that are not there leave NaN.
        """
        pairs = np.minimum(self.n[:, :, None], self.n[:, None, :])
        known = np.isfinite(self.covariance)
        spread = np.where(known, self.covariance, self.error)
        return spread / np.where(pairs > 0, pairs, np.nan)

    def take(self, labels: Sequence[str]) -> Composition:
        """Return the waters of these labels, in this order."""
        missing = [label for label in labels if label not in self.labels]
        if missing:
            raise InputError(
                "no such water", found=f"'{missing[0]}'", do=nearest(missing[0], list(self.labels))
            )
        at = [self.labels.index(label) for label in labels]
        return replace(
            self,
            labels=tuple(labels),
            mean=self.mean[at],
            covariance=self.covariance[at],
            n=self.n[at],
            error=self.error[at],
            rows=tuple(self.rows[i] for i in at) if self.rows else (),
        )

    def where(self, label: str) -> str:
        """Name the rows of a water, for messages: ``" (rows 3, 4)"``, or nothing."""
        if not self.rows:
            return ""
        return name_rows(self.rows[self.labels.index(label)])


def name_rows(rows: Sequence[int]) -> str:
    """Write row numbers for a message: ``" (rows 3, 4, ... and 9 more)"``."""
    if not len(rows):
        return ""
    more = f", ... and {len(rows) - _ROWS_NAMED} more" if len(rows) > _ROWS_NAMED else ""
    listed = ", ".join(str(row) for row in sorted(rows)[:_ROWS_NAMED])
    return f" ({'row' if len(rows) == 1 else 'rows'} {listed}{more})"


def compose(
    samples: pd.DataFrame, tracers: Iterable[str], *, by: Iterable[str] = ("water",)
) -> Composition:
    """Summarise samples by group.

    Parameters
    ----------
    samples : DataFrame
        The sample table; ``d_excess`` is derived where it is asked for and not a column, and
        ``<tracer>_sd`` is taken as measurement error.
    tracers : iterable of str
        Columns with numbers.
    by : iterable of str
        Columns that make the groups.

    Returns
    -------
    Composition
        One water per group. With missing values, each mean and variance is of the values there
        are, and each correlation of the pairs there are.

    Raises
    ------
    InputError
        If a column is missing.
    DataError
        If a group has no value of any tracer; its rows are named.

    Examples
    --------
    >>> frame = pd.DataFrame({"water": ["rain", "rain", "ice"], "d18O": [-10.0, -12.0, -15.0]})
    >>> waters = compose(frame, ["d18O"])
    >>> waters.labels, waters.mean.ravel().tolist(), waters.n.ravel().tolist()
    (('ice', 'rain'), [-15.0, -11.0], [1, 2])
    """
    names = tuple(tracers)
    table = _with_tracers(samples, names)
    groups = group_rows(table, list(by))
    labels = tuple(group_label(keys) for keys, _ in groups)
    parts = [part for _, part in groups]
    summaries = [_summary(part[list(names)].to_numpy(dtype=float)) for part in parts]
    mean, covariance, n = (np.array(piece) for piece in zip(*summaries, strict=True))
    result = Composition(
        labels,
        names,
        mean,
        covariance,
        n,
        np.array([_error(part, names) for part in parts]),
        tuple(tuple(int(row) for row in part.index) for part in parts),
        int(table[list(names)].isna().any(axis=1).sum()),
    )
    _refuse_empty(result)
    return result


def compose_each(
    samples: pd.DataFrame, tracers: Iterable[str], *, label: str = "sample_id"
) -> Composition:
    """Take every row as a water of its own.

    Parameters
    ----------
    samples : DataFrame
        As for :func:`compose`.
    tracers : iterable of str
        Columns with numbers.
    label : str
        Column with names; row numbers where it is absent or empty.

    Returns
    -------
    Composition

    Raises
    ------
    InputError
        If a column is missing.
    DataError
        If a row has no value of any tracer.

    Examples
    --------
    >>> frame = pd.DataFrame({"d18O": [-10.0, -12.0], "d2H": [-70.0, -86.0]})
    >>> compose_each(frame, ["d18O", "d_excess"]).mean.tolist()
    [[-10.0, 10.0], [-12.0, 10.0]]
    """
    names = tuple(tracers)
    table = _with_tracers(samples, names)
    values = table[list(names)].to_numpy(dtype=float)
    rows = [int(row) for row in table.index]
    given = table[label] if label in table else pd.Series(None, index=table.index, dtype=object)
    labels = tuple(
        f"row {row}" if pd.isna(text) or str(text) == "" else str(text)
        for row, text in zip(rows, given, strict=True)
    )
    t = len(names)
    result = Composition(
        labels,
        names,
        values,
        np.full((len(values), t, t), np.nan),
        np.isfinite(values).astype(int),
        _errors_of_rows(table, names),
        tuple((row,) for row in rows),
        int(np.isnan(values).any(axis=1).sum()),
    )
    _refuse_empty(result)
    return result


def compose_stated(
    table: pd.DataFrame,
    tracers: Iterable[str],
    *,
    label: str = "source",
    correlation: Mapping[str, Any] | None = None,
) -> Composition:
    """Take waters given as mean ± sd.

    Parameters
    ----------
    table : DataFrame
        One row per water: ``<tracer>_mean`` (or ``<tracer>``), ``<tracer>_sd``, and ``n``
        (1 where absent: the sd is then that of the value itself).
    tracers : iterable of str
        Tracers.
    label : str
        Column with names.
    correlation : mapping of str to array of shape (T, T), optional
        Correlation of the tracers within a water, by label; none means independent tracers.

    Returns
    -------
    Composition

    Raises
    ------
    InputError
        If a column is missing.
    DataError
        If a standard deviation is negative or a water has no value.

    Examples
    --------
    >>> table = pd.DataFrame({"source": ["rain", "ice"], "d18O_mean": [-11.0, -14.0],
    ...                       "d18O_sd": [1.5, 1.0], "n": [100, 66]})
    >>> compose_stated(table, ["d18O"]).covariance.ravel().tolist()
    [2.25, 1.0]
    """
    names = tuple(tracers)
    columns = [f"{t}_mean" if f"{t}_mean" in table else t for t in names]
    need_columns(table, [label, *columns])
    labels = tuple(str(text) for text in table[label])
    mean = table[columns].to_numpy(dtype=float)
    sds = [table[f"{t}_sd"] if f"{t}_sd" in table else np.full(len(table), np.nan) for t in names]
    sd = np.array(sds, dtype=float).T
    if np.any(sd < 0.0):
        bad = [int(row) for row in table.index[np.flatnonzero((sd < 0.0).any(axis=1))]]
        raise DataError(
            f"a standard deviation is negative{name_rows(bad)}",
            found=f"{sd[sd < 0][0]:g}",
            do="Correct the table",
        )
    count = table["n"].to_numpy(dtype=int) if "n" in table else np.ones(len(table), dtype=int)
    matrix = {} if correlation is None else correlation
    r = np.array([np.asarray(matrix.get(name, np.eye(len(names))), float) for name in labels])
    spread = r * sd[:, :, None] * sd[:, None, :]
    one = (count == 1)[:, None, None]
    result = Composition(
        labels,
        names,
        mean,
        spread,
        np.where(np.isfinite(mean), count[:, None], 0),
        np.where(one, np.nan_to_num(spread), 0.0),
    )
    _refuse_empty(result)
    return result


def check_tracers(samples: pd.DataFrame, tracers: Iterable[str]) -> None:
    """Refuse tracers that are computed from others, even where printed digits hide it.

    Parameters
    ----------
    samples : DataFrame
        All waters together; a ``d_excess`` that is no column is derived.
    tracers : iterable of str
        Tracers of a mixing model.

    Raises
    ------
    DataError
        If a tracer is a linear function of the others within the rounding of its digits.

    Examples
    --------
    >>> frame = pd.DataFrame({"d18O": [-10.13, -12.4, -15.22, -9.7, -11.31],
    ...                       "d2H": [-70.2, -88.1, -110.3, -69.8, -80.4]})
    >>> frame["d_excess"] = (frame["d2H"] - 8 * frame["d18O"]).round(1)
    >>> check_tracers(frame, ["d18O", "d2H", "d_excess"])
    Traceback (most recent call last):
    ...
    headwater.errors.DataError: the tracer d_excess is computed from d18O, d2H. Found: ...
    >>> check_tracers(frame, ["d18O", "d2H"])
    """
    names = list(tracers)
    values = _with_tracers(samples, tuple(names))[names].dropna().to_numpy(dtype=float)
    if len(values) < len(names) + 2:
        return
    steps = [_step(column) for column in values.T]
    for j in range(len(names) - 1, 0, -1):
        others = [i for i in range(len(names)) if i != j]
        design = np.column_stack([values[:, others], np.ones(len(values))])
        weights, *_ = np.linalg.lstsq(design, values[:, j], rcond=None)
        off = np.abs(values[:, j] - design @ weights).max()
        bound = steps[j] + sum(abs(w) * steps[i] for w, i in zip(weights, others, strict=False))
        if off <= 0.55 * bound + 1e-9 * np.abs(values[:, j]).max():
            raise DataError(
                f"the tracer {names[j]} is computed from {', '.join(names[i] for i in others)}",
                found=f"it differs from a linear function of them by at most {off:.2g}, no more "
                "than rounding makes",
                do="Leave one of them out (d-excess is δ²H - 8 δ¹⁸O)",
            )


def _step(values: Any) -> float:
    """Find the last digit that is written: 0.1 of values such as -78.3; 0 of unrounded ones."""
    for digits in range(7):
        if np.allclose(values, np.round(values, digits), rtol=0.0, atol=1e-9):
            return float(10.0**-digits)
    return 0.0


def check_sources(sources: Composition, *, need_spread: bool = True) -> None:
    """Refuse sources that no mixing model can work with.

    Parameters
    ----------
    sources : Composition
        The end members.
    need_spread : bool
        Whether the model needs the scatter of each source.

    Raises
    ------
    DataError
        If there are fewer than two sources, a source lacks a tracer, has one sample or no scatter,
        two sources are identical, or the tracers of a source depend on each other exactly.

    Examples
    --------
    >>> twice = pd.DataFrame({"source": ["a", "b"], "d18O": [-9.0, -9.0], "d18O_sd": [1.0, 1.0]})
    >>> check_sources(compose_stated(twice, ["d18O"]))
    Traceback (most recent call last):
    ...
    headwater.errors.DataError: the sources a and b are identical. Found: d18O -9. Join them...
    """
    if len(sources) < 2:
        raise DataError(
            "mixing needs at least two sources",
            found=", ".join(sources.labels),
            do="Add the other sources of this water",
        )
    for k, label in enumerate(sources.labels):
        lacking = [t for t, v in zip(sources.tracers, sources.mean[k], strict=True) if np.isnan(v)]
        if lacking:
            raise DataError(
                f"the source {label} has no value of {', '.join(lacking)}",
                do="Leave out the tracer or the source",
            )
        if need_spread:
            _check_spread(sources, k)
    for i, j in combinations(range(len(sources)), 2):
        if np.allclose(sources.mean[i], sources.mean[j], rtol=0.0, atol=1e-9):
            values = ", ".join(
                f"{t} {v:g}" for t, v in zip(sources.tracers, sources.mean[i], strict=True)
            )
            raise DataError(
                f"the sources {sources.labels[i]} and {sources.labels[j]} are identical",
                found=values,
                do="Join them into one source, or add a tracer that differs",
            )


def _check_spread(sources: Composition, k: int) -> None:
    label, spread = sources.labels[k], sources.covariance[k]
    where, variances = sources.where(label), np.diagonal(spread)
    if np.any(np.isnan(variances)):
        raise DataError(
            f"the source {label} has one sample{where}: its scatter is unknown",
            found=f"n = {int(sources.n[k].min())}",
            do="Add samples, state a standard deviation, or join it with a similar source",
        )
    flat = [t for t, v in zip(sources.tracers, variances, strict=True) if v <= 0.0]
    if flat:
        raise DataError(
            f"all samples of the source {label} have the same {flat[0]}{where}",
            found="variance 0",
            do="State a standard deviation of at least the "
            "measurement error, or check for copied rows",
        )
    scale = np.sqrt(variances)
    smallest = float(np.linalg.eigvalsh(spread / scale[:, None] / scale[None, :])[0])
    if smallest < 1e-8:
        raise DataError(
            f"the tracers {', '.join(sources.tracers)} of the source {label} depend on each other "
            f"exactly{where}",
            found="a singular covariance",
            do="Leave out a tracer that is computed from others (d-excess is δ²H - 8 δ¹⁸O), or add "
            "samples: there must be more samples than tracers",
        )


def _with_tracers(samples: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    if samples.empty:
        raise DataError("there are no samples", found="an empty table", do="Check the selection")
    samples = with_excess(samples, names)
    need_columns(samples, names)
    for name in names:
        numbers = pd.to_numeric(samples[name], errors="coerce")
        words = samples.index[numbers.isna() & samples[name].notna()]
        if len(words):
            raise DataError(
                f"{name} holds text{name_rows([int(row) for row in words])}",
                found=f"'{samples.loc[words[0], name]}'",
                do="Write numbers, and leave missing values empty",
            )
    return samples


def _summary(values: ArrayLike) -> tuple[Any, Any, Any]:
    there = np.isfinite(values)
    n = there.sum(axis=0)
    mean = np.where(there, values, 0.0).sum(axis=0) / np.where(n > 0, n, np.nan)
    off = np.where(there, values - mean, 0.0)
    pairs = there.T.astype(float) @ there
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = np.sqrt((off**2).sum(axis=0) / np.where(n > 1, n - 1, np.nan))
        power = ((off**2).T @ there) * (there.T @ off**2)
        r = np.where(power > 0.0, (off.T @ off) / np.sqrt(power), 0.0)
    np.fill_diagonal(r, 1.0)
    return mean, np.where(pairs > 1, r, 0.0) * sd[:, None] * sd[None, :], n


def _errors_of_rows(table: pd.DataFrame, names: tuple[str, ...]) -> Any:
    sd = np.array(
        [
            table[f"{t}_sd"].to_numpy(float) if f"{t}_sd" in table else np.zeros(len(table))
            for t in names
        ]
    ).T
    error = np.nan_to_num(sd)[:, :, None] ** 2 * np.eye(len(names))
    if "d_excess" in names and "d_excess_sd" not in table and {"d18O_sd", "d2H_sd"} <= set(table):
        # d = H - 8 O carries both errors, and shares them with O and H.
        o, h = (np.nan_to_num(table[f"{t}_sd"].to_numpy(float)) ** 2 for t in ("d18O", "d2H"))
        j = names.index("d_excess")
        error[:, j, j] = h + 64.0 * o
        for name, shared in (("d18O", -8.0 * o), ("d2H", h)):
            if name in names:
                i = names.index(name)
                error[:, i, j] = error[:, j, i] = shared
    return error


def _error(part: pd.DataFrame, names: tuple[str, ...]) -> Any:
    return _errors_of_rows(part, names).mean(axis=0)


def _refuse_empty(waters: Composition) -> None:
    for label, n in zip(waters.labels, waters.n, strict=True):
        if not n.any():
            raise DataError(
                f"the group {label} is empty{waters.where(label)}",
                found=f"no value of {', '.join(waters.tracers)}",
                do="Leave the group out, or measure it",
            )
