"""Doubts about samples, each with its reason and its row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.isotopes.excess import d_excess
from headwater.isotopes.results import QualityReport
from headwater.isotopes.samples import water
from headwater.results import of_inputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["check_quality", "duplicates", "robust_distance"]

_EXCESS = re.compile(r"d(?:euterium)?ex(?:c|cess)?|dxs|d过量|过量氘|氘过量|氘盈余|氘剩余")
Doubt = tuple[Any, str, str, Any, str]  # row, severity, column, value, reason


@of_inputs
def check_quality(samples: pd.DataFrame, *, latest: str | None = None) -> QualityReport:
    """Look for what cannot be, and what is unlikely, in a sample table.

    Parameters
    ----------
    samples : DataFrame
        The sample table; nothing in it is changed.
    latest : str, optional
        Date that no sample can be later than.

    Returns
    -------
    QualityReport
        Rules: ``range`` (impossible for this water), ``sign`` (a lost minus), ``swap`` (δ¹⁸O and
        δ²H exchanged), ``d_excess`` (impossible, or not the one that the table prints),
        ``precision`` (σ of δ¹⁸O above that of δ²H), ``duplicate``, ``depth``, ``date``,
        ``outlier`` (only of kinds with 15 samples or more).

    Notes
    -----
    The limit of an outlier leaves a clean, normal group a chance of about 1 % to have any: the χ²
    quantile at 1 - 0.01/n, times ``1 + 17/n + 760/n²``, fitted to simulated groups of 15 to 500.
    Waters that are mixtures or skewed (leaves among shoots) have more.

    Examples
    --------
    >>> from headwater.isotopes.samples import check_samples
    >>> table = check_samples(pd.DataFrame({"water": ["soil"], "d18O": [14.23], "d2H": [-108.14]}))
    >>> check_quality(table).data[["row", "rule"]].values.tolist()
    [[0, 'sign']]
    """
    found: list[dict[str, Any]] = []
    rules: dict[str, Callable[[pd.DataFrame], Iterator[Doubt]]] = {
        "values": _values,
        "precision": _precision,
        "duplicate": duplicates,
        "depth": _depths,
        "date": lambda table: _dates(table, latest),
        "outlier": _outliers,
    }
    named_rows: set[Any] = set()
    for rule, look in rules.items():
        for row, severity, column, value, reason in look(samples):
            # a sample with an impossible value is an outlier too: say it once
            if rule == "outlier" and row in named_rows:
                continue
            name, _, text = reason.partition(": ") if rule == "values" else (rule, "", reason)
            named_rows.add(row)
            found.append(
                {
                    "row": row,
                    "sample_id": samples.loc[row, "sample_id"],
                    "rule": name,
                    "severity": severity,
                    "column": column,
                    "value": value,
                    "reason": text,
                }
            )
    columns = ["row", "sample_id", "rule", "severity", "column", "value", "reason"]
    table = pd.DataFrame(found, columns=columns)
    errors = int((table["severity"] == "error").sum())
    return QualityReport(
        table,
        f"Quality of {len(samples)} samples: {errors} errors, {len(table) - errors} doubts",
        choices=("Nothing was removed: the rows are named for you to decide",),
    )


def _values(samples: pd.DataFrame) -> Iterator[Doubt]:
    """Lost signs and exchanged columns first: they explain the rest."""
    kinds, printed = samples["water"].astype(object).fillna("any"), _printed(samples)
    for row, kind, o, h, given in zip(
        samples.index, kinds, samples["d18O"], samples["d2H"], printed, strict=True
    ):
        like = water(str(kind))
        d = d_excess(o, h)

        def fits(o: float, h: float, like: Any = like) -> bool:
            return all(
                low <= value <= high
                for value, (low, high) in (
                    (o, like.d18O),
                    (h, like.d2H),
                    (d_excess(o, h), like.d_excess),
                )
            )

        if np.isfinite(d) and not fits(o, h):
            yield _explain(row, like, o, h, fits)
            continue
        for column, value, (low, high) in (("d18O", o, like.d18O), ("d2H", h, like.d2H)):
            if np.isfinite(value) and not low <= value <= high:
                yield (
                    row,
                    "error",
                    column,
                    value,
                    f"range: {like.long_name} has {column} {_between(low, high)}",
                )
        if np.isfinite(d) and abs(given - d) > 0.5:
            yield row, "doubt", "d_excess", given, f"d_excess: δ²H - 8 δ¹⁸O is {d:.2f} ‰"


def _between(low: float, high: float) -> str:
    return f"between {low:g} and {high:g} ‰".replace("-", "−")


def _explain(row: Any, like: Any, o: float, h: float, fits: Callable[..., bool]) -> Doubt:
    for column, value, other in (("d18O", o, (-o, h)), ("d2H", h, (o, -h))):
        if value > 0 and fits(*other):
            return (
                row,
                "error",
                column,
                value,
                f"sign: a lost minus: with {-value:g} the deuterium excess is "
                f"{d_excess(*other):.1f} instead of {d_excess(o, h):.1f} ‰",
            )
    if fits(h, o) and abs(o) > abs(h):
        return row, "error", "d18O", o, "swap: δ¹⁸O and δ²H look exchanged"
    for column, value, (low, high) in (("d18O", o, like.d18O), ("d2H", h, like.d2H)):
        if not low <= value <= high:
            return (
                row,
                "error",
                column,
                value,
                f"range: {like.long_name} has {column} {_between(low, high)}",
            )
    low, high = like.d_excess
    return (
        row,
        "error",
        "d_excess",
        d_excess(o, h),
        f"d_excess: {like.long_name} has a deuterium excess {_between(low, high)}",
    )


def _printed(samples: pd.DataFrame) -> pd.Series:
    """Find the d-excess that the table itself gives, under one of its usual names; else NaN."""
    for name in samples.columns:
        if _EXCESS.fullmatch(re.sub(r"[(（].*|[\W_]+", "", str(name)).lower()):
            return pd.to_numeric(samples[name], errors="coerce")
    return pd.Series(np.nan, samples.index)


def _precision(samples: pd.DataFrame) -> Iterator[Doubt]:
    for row, o, h in samples[["d18O_sd", "d2H_sd"]].dropna().itertuples():
        if o > h:
            yield (
                row,
                "doubt",
                "d18O_sd",
                o,
                f"precision of δ¹⁸O ({o:g} ‰) worse than of δ²H ({h:g} ‰): probably exchanged",
            )


def duplicates(samples: pd.DataFrame) -> Iterator[Doubt]:
    """Doubt samples that repeat one above them, by number or by all that is known of them."""
    ids = samples["sample_id"].notna()
    again = samples[ids].duplicated(["sample_id", "replicate"])
    for row in again.index[again]:
        yield (
            row,
            "doubt",
            "sample_id",
            samples.loc[row, "sample_id"],
            "a sample_id that stood before; replicates need a number in 'replicate'",
        )
    where = [
        "water",
        "time",
        "longitude",
        "latitude",
        "elevation",
        "depth_top",
        "depth_bottom",
        "d18O",
        "d2H",
    ]
    whole = samples[samples[["d18O", "d2H"]].notna().all(axis=1)]
    same = whole.duplicated(where) & ~again.reindex(whole.index, fill_value=False)
    for row in same.index[same]:
        yield (
            row,
            "doubt",
            "d18O",
            samples.loc[row, "d18O"],
            "same water, place, time and δ as above",
        )


def _depths(samples: pd.DataFrame) -> Iterator[Doubt]:
    for row, top, bottom in samples[["depth_top", "depth_bottom"]].itertuples():
        if top < 0 or bottom < 0:
            yield (
                row,
                "error",
                "depth_top",
                min(top, bottom),
                "a depth is counted downwards, from 0",
            )
        elif top > bottom:
            yield row, "error", "depth_top", top, f"top below bottom ({bottom:g} m)"
        elif max(top, bottom) > 10 and samples.loc[row, "water"] == "soil":
            yield (
                row,
                "error",
                "depth_bottom",
                max(top, bottom),
                "soil deeper than 10 m: centimetres where metres are needed?",
            )


def _dates(samples: pd.DataFrame, latest: str | None) -> Iterator[Doubt]:
    time = samples["time"]
    early = time < pd.Timestamp("1950-01-01")
    for row in samples.index[early]:
        yield row, "error", "time", time[row], "before isotopes of water were measured"
    if latest is not None:
        for row in samples.index[time > pd.Timestamp(latest)]:
            yield row, "error", "time", time[row], f"later than {latest}"


def _outliers(samples: pd.DataFrame) -> Iterator[Doubt]:
    from scipy.special import chdtri

    for kind, rows in samples.groupby(samples["water"].astype(object).fillna("any"), sort=True):
        points = rows[["d18O", "d2H"]].dropna()
        n = len(points)
        if n < 15:
            continue
        far = robust_distance(points["d18O"].to_numpy(), points["d2H"].to_numpy())
        limit = float(np.sqrt(chdtri(2, 0.01 / n) * (1.0 + 17.0 / n + 760.0 / n**2)))
        for row, distance in zip(points.index[far > limit], far[far > limit], strict=True):
            yield (
                row,
                "doubt",
                "d18O",
                points.loc[row, "d18O"],
                f"{distance:.1f} robust standard deviations from the other "
                f"{n - 1} of {str(kind).replace('_', ' ')} (limit {limit:.1f})",
            )


def robust_distance(d18O: ArrayLike, d2H: ArrayLike) -> Any:
    """Mahalanobis distance from the bulk of the points, which outliers do not move.

    Parameters
    ----------
    d18O, d2H : array of shape (n,)
        [‰ VSMOW], without missing values.

    Returns
    -------
    array of shape (n,)
        [1]; infinite where the bulk has no width.

    Notes
    -----
    Minimum covariance determinant, found by concentration from coordinatewise medians in
    (δ¹⁸O, d-excess), then one reweighting at the 97.5 % point of χ². The distance is the same in
    (δ¹⁸O, δ²H), as the two pairs are linear maps of each other.

    References
    ----------
    Rousseeuw & Van Driessen (1999), A fast algorithm for the minimum covariance determinant
    estimator, Technometrics 41:212.

    Examples
    --------
    >>> o = np.r_[np.linspace(-12, -10, 20), 5.0]
    >>> int(robust_distance(o, 8 * o + 10 + np.sin(9 * o)).argmax())
    20
    """
    points = np.column_stack([d18O, d_excess(d18O, d2H)])
    n = len(points)
    half = max((3 * n) // 4, 3)
    middle = np.median(points, axis=0)
    width = 1.4826 * np.median(np.abs(points - middle), axis=0)
    square = (((points - middle) / np.where(width > 0, width, np.inf)) ** 2).sum(axis=1)
    for _ in range(30):
        core = points[np.argsort(square, kind="stable")[:half]]
        before, square = square, _square(points, core, half / n)
        if np.allclose(before, square, rtol=1e-9):
            break
    # reweighting wins back the efficiency that the three quarters gave away
    kept = points[square < _CUT]
    return np.sqrt(_square(points, kept, 0.975) if len(kept) > 3 else square)


_CUT = 7.377758908227871  # χ² with 2 degrees of freedom at 97.5 %


def _square(points: NDArray[Any], core: NDArray[Any], share: float) -> Any:
    """Squared distances from the mean of the core, its covariance made consistent for normals."""
    cov = np.cov(core, rowvar=False)
    if np.linalg.det(cov) <= 1e-12 * max(float(np.prod(np.diag(cov))), 1e-300):
        away = np.abs(points - core.mean(axis=0)).sum(axis=1)
        return np.where(away > 0, np.inf, 0.0)
    # χ²_4 below the χ²_2 quantile that holds `share`, over share (Croux & Haesbroeck 1999)
    edge = -2.0 * np.log(max(1.0 - share, 1e-12))
    cov = cov * share / (1.0 - np.exp(-edge / 2.0) * (1.0 + edge / 2.0))
    rest = points - core.mean(axis=0)
    return np.einsum("ij,jk,ik->i", rest, np.linalg.inv(cov), rest)
