"""Did it work? Done units against matched controls, with an interval and placebos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, InputError
from headwater.restoration.plan import Plan
from headwater.tables import read_table
from headwater.tables.vocabulary import Field

__all__ = [
    "TreatmentEffect",
    "effect_words",
    "estimate_treatment_effect",
    "evaluate_plan",
    "matched_controls",
    "read_cover",
]

Floats = NDArray[np.float64]
Design = Literal["before_after_control_impact", "control_impact"]
_CONTROLS, _FEWEST = 10, 8


@dataclass(frozen=True, slots=True)
class TreatmentEffect:
    """The effect of a treatment.

    Attributes
    ----------
    effect : float
        Mean difference that the treatment made [unit of the values].
    lower, upper : float
        Bounds of the interval.
    level : float
        Its level.
    p_value : float
        Two-sided, of Welch's t over units.
    p_placebo : float
        Share of placebo labellings whose effect is at least as large; NaN where there are too few
        units to relabel.
    design : str
        ``control_impact`` where nothing was surveyed before: differences that were there already
        count as effect.
    n_treated, n_control : int
        Units.
    dropped : int
        Units without a value before or after.
    """

    effect: float
    lower: float
    upper: float
    level: float
    p_value: float
    p_placebo: float
    design: Design
    n_treated: int
    n_control: int
    dropped: int


def estimate_treatment_effect(
    values: ArrayLike,
    treated: ArrayLike,
    after: ArrayLike,
    *,
    rng: np.random.Generator,
    covariates: ArrayLike | None = None,
    traits: ArrayLike | None = None,
    block: ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 1999,
) -> TreatmentEffect:
    """Estimate what a treatment did, from units that were treated and units that were not.

    Parameters
    ----------
    values : array-like, shape (n_units, n_years)
        Peak-season cover or another target [any unit]; NaN where not surveyed. The target must be
        the one that the treatment was for: less weed can come with less cover.
    treated : array-like of bool, shape (n_units,)
    after : array-like of bool, shape (n_years,)
        Years after the treatment; none before makes it a comparison of treatment and control.
    rng : numpy.random.Generator
        For the placebos.
    covariates : array-like, shape (n_covariates, n_units, n_years), optional
        Water, temperature: their common effect within units is taken out first, so that a wet year
        of the treated units is no success.
    traits : array-like, shape (n_units, n_traits), optional
        Altitude, slope: changes that go with them in a straight line, and are the same without
        treatment in both kinds of units, are taken out; units without a trait are dropped.
    block : array-like, shape (n_units,), optional
        Paddock, valley or pair within which treated and control units are compared; blocks without
        both are dropped.
    level : float
        Of the interval.
    n_resamples : int
        Placebo labellings.

    Returns
    -------
    TreatmentEffect

    Raises
    ------
    DataError
        If there are fewer than two usable units of a kind, no year after, traits and blocks at
        once, or fewer than three units more than an adjustment for traits has coefficients.

    Notes
    -----
    The unit is the replicate, not its pixels or years: each unit gives one number, its mean after
    less its mean before. The interval is Welch's over units (Satterthwaite's degrees of freedom),
    or Student's over the differences of blocks. Placebos deal the labels anew among all units, or
    exchange them within blocks. With traits the effect is the coefficient of the treatment in a
    least-squares fit, its error that of MacKinnon and White (HC2), for kinds may differ in spread;
    placebos deal the labels to what traits leave of the changes.

    References
    ----------
    Stewart-Oaten, Murdoch & Parker (1986), doi:10.2307/1939815; Hurlbert (1984),
    doi:10.2307/1942661; Welch (1947), doi:10.1093/biomet/34.1-2.28.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> cover = 50 + rng.normal(0, 2, (20, 6))
    >>> treated = np.arange(20) < 10
    >>> cover[:10, 3:] += 5
    >>> found = estimate_treatment_effect(cover, treated, np.arange(6) >= 3, rng=rng)
    >>> found.lower < 5 < found.upper, found.p_value < 0.001
    (True, True)
    """
    table, label = np.asarray(values, dtype=np.float64), np.asarray(treated, dtype=bool)
    later = np.asarray(after, dtype=bool)
    _check(table, label, later)
    if covariates is not None:
        table = _adjusted(table, np.asarray(covariates, dtype=np.float64), later)
    compared = bool((~later).any())
    change = _mean(table[:, later])
    if compared:
        change = change - _mean(table[:, ~later])
    usable = np.isfinite(change)
    groups = None if block is None else np.unique(np.asarray(block), return_inverse=True)[1]
    if groups is not None:
        usable &= _in_whole_blocks(groups, label, usable)
        groups = groups[usable]
    about = None if traits is None else np.asarray(traits, dtype=np.float64)
    if about is not None:
        _check_traits(about, label, groups)
        usable &= np.isfinite(about).all(axis=1)
        about = about[usable]
    change, label = change[usable], label[usable]
    if min(label.sum(), (~label).sum()) < 2:
        raise DataError(
            "too few units to estimate an effect",
            found=f"{int(label.sum())} treated and {int((~label).sum())} controls with values",
            do="Survey at least two of each; ten of each find effects of a few points",
        )
    sizes = _Sizes(int(label.sum()), int((~label).sum()), int((~usable).sum()))
    if groups is not None:
        difference = _block_differences(change, label, groups)
        n = len(difference)
        test = _Test(float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(n)), n - 1.0)
        placebo = _signs(difference, rng, n_resamples)
    else:
        test = _welch(change, label) if about is None else _regressed(change, label, about)
        left = change if about is None else _left_of(change, about)
        placebo = _placebo(left, label, rng, n_resamples)
    design: Design = "before_after_control_impact" if compared else "control_impact"
    return _effect(test, placebo, level, design, sizes)


@dataclass(frozen=True, slots=True)
class _Test:
    effect: float
    error: float
    freedom: float


@dataclass(frozen=True, slots=True)
class _Sizes:
    treated: int
    control: int
    dropped: int


def _effect(
    test: _Test, placebo: float, level: float, design: Design, sizes: _Sizes
) -> TreatmentEffect:
    from scipy.special import stdtr, stdtrit

    half = float(stdtrit(test.freedom, (1 + level) / 2)) * test.error
    p = float(test.effect == 0)
    if test.error > 0:
        p = float(2 * stdtr(test.freedom, -abs(test.effect) / test.error))
    return TreatmentEffect(
        effect=test.effect,
        lower=test.effect - half,
        upper=test.effect + half,
        level=level,
        p_value=p,
        p_placebo=placebo,
        design=design,
        n_treated=sizes.treated,
        n_control=sizes.control,
        dropped=sizes.dropped,
    )


def _in_whole_blocks(
    groups: NDArray[np.int64], label: NDArray[np.bool_], usable: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether a unit's block has usable units of both kinds, and there are two such blocks."""
    count = int(groups.max(initial=-1)) + 1
    both = (np.bincount(groups[usable & label], minlength=count) > 0) & (
        np.bincount(groups[usable & ~label], minlength=count) > 0
    )
    return np.asarray(both[groups] if both.sum() > 1 else np.zeros(len(groups), dtype=bool))


def _block_differences(
    change: Floats, label: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Floats:
    blocks = np.unique(groups)
    return np.array(
        [
            change[(groups == one) & label].mean() - change[(groups == one) & ~label].mean()
            for one in blocks
        ]
    )


def _signs(difference: Floats, rng: np.random.Generator, n_resamples: int) -> float:
    if len(difference) < 5:
        return float("nan")
    turned = rng.choice([-1.0, 1.0], (n_resamples, len(difference))) @ difference
    high = (np.abs(turned) >= abs(difference.sum()) - 1e-12).sum()
    return float((1 + high) / (1 + n_resamples))


def matched_controls(
    before: ArrayLike, treated: ArrayLike, *, n_controls: int = 3, traits: ArrayLike | None = None
) -> NDArray[np.bool_]:
    """Choose the controls that were most like the treated units before the treatment.

    Parameters
    ----------
    before : array-like, shape (n_units, n_years)
        Values before the treatment, without missing ones in units that are to be matched.
    treated : array-like of bool, shape (n_units,)
    n_controls : int
        Controls for each treated unit.
    traits : array-like, shape (n_units, n_traits), optional
        Altitude, slope, aspect, soil: matched on as well, each scaled to its spread.

    Returns
    -------
    ndarray of bool, shape (n_units,)
        Chosen controls.

    Examples
    --------
    >>> matched_controls([[10.0], [11.0], [50.0], [12.0]], [True, False, False, False],
    ...                  n_controls=2).tolist()
    [False, True, False, True]
    """
    table, label = np.asarray(before, dtype=np.float64), np.asarray(treated, dtype=bool)
    features = table if traits is None else np.hstack([table, np.asarray(traits, np.float64)])
    spread = np.nanstd(features, axis=0)
    scaled = features / np.where(spread > 0, spread, 1.0)
    candidates = np.flatnonzero(~label & np.isfinite(scaled).all(axis=1))
    if not len(candidates):
        raise DataError(
            "no control with values in all years before", found="0", do="Give fewer years"
        )
    chosen = np.zeros(len(label), dtype=bool)
    for unit in np.flatnonzero(label & np.isfinite(scaled).all(axis=1)):
        distance = ((scaled[candidates] - scaled[unit]) ** 2).sum(axis=1)
        chosen[candidates[np.argsort(distance, kind="stable")[:n_controls]]] = True
    return chosen


def _check(table: Floats, label: NDArray[np.bool_], later: NDArray[np.bool_]) -> None:
    if table.ndim != 2 or table.shape != (len(label), len(later)):
        raise DataError(
            "values, treatments and years do not fit",
            found=f"values {table.shape}, {len(label)} units, {len(later)} years",
            do="Give values as (n_units, n_years)",
        )
    if not later.any():
        raise DataError("no year after the treatment", found="0", do="Survey again, then evaluate")


def _mean(part: Floats) -> Floats:
    seen = np.isfinite(part)
    n = seen.sum(axis=1)
    total = np.where(seen, part, 0.0).sum(axis=1)
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1), np.nan))


def _adjusted(table: Floats, covariates: Floats, later: NDArray[np.bool_]) -> Floats:
    """Take the common effect of covariates out, estimated within units and periods.

    Within a unit's years before, and within its years after, the treatment is constant, so that
    its effect cannot be taken for that of the water.
    """
    if covariates.shape[1:] != table.shape:
        raise DataError(
            "values and covariates do not fit",
            found=f"values {table.shape}, covariates {covariates.shape}",
            do="Give covariates as (n_covariates, n_units, n_years)",
        )
    seen = np.isfinite(table) & np.isfinite(covariates).all(axis=0)
    y, x = np.where(seen, table, np.nan), np.where(seen, covariates, np.nan)
    rows_y, rows_x = [], []
    for period in (later, ~later):
        if period.any():
            rows_y.append((y[:, period] - _mean(y[:, period])[:, None]).ravel())
            centred = [one[:, period] - _mean(one[:, period])[:, None] for one in x]
            rows_x.append(np.array([one.ravel() for one in centred]))
    whole_y, whole_x = np.concatenate(rows_y), np.concatenate(rows_x, axis=1)
    use = np.isfinite(whole_y) & np.isfinite(whole_x).all(axis=0)
    slope, *_ = np.linalg.lstsq(whole_x[:, use].T, whole_y[use], rcond=None)
    middle = np.nanmean(np.where(seen, covariates, np.nan), axis=(1, 2))
    explained: Floats = np.einsum("i,iut->ut", slope, covariates - middle[:, None, None])
    return np.asarray(y - explained, dtype=np.float64)


def _welch(change: Floats, label: NDArray[np.bool_]) -> _Test:
    one, two = change[label], change[~label]
    part = np.array([one.var(ddof=1) / len(one), two.var(ddof=1) / len(two)])
    below = part**2 / np.array([len(one) - 1, len(two) - 1])
    freedom = part.sum() ** 2 / below.sum() if below.sum() > 0 else len(change) - 2.0
    return _Test(float(one.mean() - two.mean()), float(np.sqrt(part.sum())), float(freedom))


def _check_traits(
    traits: Floats, label: NDArray[np.bool_], groups: NDArray[np.int64] | None
) -> None:
    if groups is not None or traits.ndim != 2 or len(traits) != len(label):
        raise DataError(
            "traits cannot be taken out",
            found=f"traits {traits.shape}, {len(label)} units"
            + ("" if groups is None else ", and blocks"),
            do="Give traits as (n_units, n_traits), without blocks",
        )


def _regressed(change: Floats, label: NDArray[np.bool_], traits: Floats) -> _Test:
    """Fit treatment and traits by least squares, with errors that let kinds differ in spread."""
    design = np.column_stack([label, np.ones(len(change)), _scaled(traits)])
    freedom = len(change) - np.linalg.matrix_rank(design)
    if freedom < 3:
        raise DataError(
            "too few units to take traits out",
            found=f"{len(change)} units, {traits.shape[1]} traits",
            do="Survey more units, or give no traits",
        )
    inverse = np.linalg.pinv(design)
    residual = change - design @ (inverse @ change)
    leverage = np.minimum(np.einsum("ij,ji->i", design, inverse), 1.0 - 1e-9)
    error = np.sqrt((inverse[0] ** 2 * residual**2 / (1.0 - leverage)).sum())
    return _Test(float(inverse[0] @ change), float(error), float(freedom))


def _left_of(change: Floats, traits: Floats) -> Floats:
    design = np.column_stack([np.ones(len(change)), _scaled(traits)])
    return np.asarray(change - design @ (np.linalg.pinv(design) @ change))


def _scaled(traits: Floats) -> Floats:
    spread = traits.std(axis=0)
    return np.asarray((traits - traits.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _placebo(
    change: Floats, label: NDArray[np.bool_], rng: np.random.Generator, n_resamples: int
) -> float:
    if len(change) < 6:
        return float("nan")
    observed = abs(change[label].mean() - change[~label].mean())
    drawn = rng.permuted(np.tile(label, (n_resamples, 1)), axis=1)
    n = label.sum()
    treated = drawn @ change / n
    others = (change.sum() - drawn @ change) / (len(change) - n)
    high = (np.abs(treated - others) >= observed - 1e-12).sum()
    return float((1 + high) / (1 + n_resamples))


def evaluate_plan(
    plan: Plan,
    cover: pd.DataFrame,
    *,
    since: int,
    rng: np.random.Generator,
    units: Sequence[str] = (),
    water: Sequence[str] = (),
) -> dict[str, dict[str, float | str]]:
    """Compare done units with controls, before and after the work.

    Parameters
    ----------
    plan : Plan
    cover : DataFrame
        ``unit``, ``year``, ``cover`` [1] of treated units and of others, which may lie outside of
        the plan; a row for each unit and year.
    since : int
        First season after the work.
    rng : numpy Generator
        Source of the placebos.
    units : sequence of str
        Units whose work is evaluated; default: all that are done.
    water : sequence of str
        Columns of `cover` whose effect is taken out, such as rain or soil water.

    Returns
    -------
    dict
        By unit, all the same: ``effect``, ``lower``, ``upper`` [unit of cover], ``level``,
        ``p_value``, ``p_placebo``, ``n_treated``, ``n_control``, ``n_years``, ``design``, ``since``
        and a ``statement``.

    Raises
    ------
    DataError
        If no unit is done, units or columns lack, a unit and year stands twice, or there are too
        few units to compare.

    Notes
    -----
    Controls are units that nobody treats: neither done nor approved in the plan. The ten most
    alike of each treated unit are taken, by elevation and slope, and what changes with these in a
    straight line is taken out; all, as they are, where the plan does not know these or there are
    fewer than eight units. They are not matched by cover before the work: controls that looked as
    poor by chance recover, and an effect is missed or invented in every second case
    (docs/simulations/restoration.md). The effect is that of the group: one unit is no replicate.
    """
    treated = list(units) or [line.unit.name for line in plan.lines if line.state == "done"]
    _check_plan(plan, cover, treated, water)
    touched = {
        line.unit.name
        for line in plan.lines
        if line.state in ("done", "approved", "evaluated") and line.unit.name not in treated
    }
    table = cover[~cover["unit"].isin(touched)]
    wide = _by_year(table, "cover")
    label = wide.index.isin(treated)
    after = np.asarray(wide.columns) >= since
    values = wide.to_numpy(dtype=np.float64)
    traits = _traits(plan, list(wide.index))
    keep = np.ones(len(label), dtype=bool)
    if traits is not None:
        keep = label | matched_controls(traits, label, n_controls=_CONTROLS)
    shown = values[keep]
    extra = None
    if water:
        extra = np.stack([_by_year(table, one).to_numpy(dtype=np.float64)[keep] for one in water])
    own = traits[keep] if traits is not None and keep.sum() >= _FEWEST else None
    found = estimate_treatment_effect(
        shown, label[keep], after, rng=rng, covariates=extra, traits=own
    )
    facts: dict[str, float | str] = {
        "effect": found.effect,
        "lower": found.lower,
        "upper": found.upper,
        "level": found.level,
        "p_value": found.p_value,
        "p_placebo": found.p_placebo,
        "n_treated": float(found.n_treated),
        "n_control": float(found.n_control),
        "n_years": float(wide.shape[1]),
        "design": found.design,
        "since": float(since),
        "statement": effect_words(found),
    }
    return {name: dict(facts) for name in treated}


def read_cover(path: str | Path, water: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table of cover by unit and year.

    Parameters
    ----------
    path : str or Path
        CSV or XLSX with ``unit``, ``year``, ``cover`` [1] and the columns of `water`.
    water : sequence of str

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        If it cannot be read, or lacks a column.
    DataError
        If cover is no share.
    """
    fields = [
        Field("unit", "text", "unit name"),
        Field("year", "number", "year"),
        Field("cover", "number", "cover vegetationcover"),
        *(Field(name, "number", name.lower()) for name in water),
    ]
    table = read_table(path, fields).data
    missing = [one.name for one in fields if one.name not in table]
    if missing:
        raise InputError(
            f"{path} lacks what an evaluation needs",
            found=f"no {', '.join(missing)}; it has {', '.join(str(c) for c in table)}",
            do="Give unit, year and cover, and the water that is to be taken out",
        )
    wrong = table[(table["cover"] < 0) | (table["cover"] > 1)]
    if len(wrong):
        raise DataError(
            "a cover that is no share",
            found=f"{wrong['cover'].iloc[0]:g} of {wrong['unit'].iloc[0]}",
            do="Give cover from 0 to 1, not in percent",
        )
    return table.astype({"year": int}).reset_index(drop=True)


def _by_year(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table.set_index(["unit", "year"])[name].unstack("year")  # noqa: PD010, it has one value


def effect_words(found: TreatmentEffect) -> str:
    """Say an effect in a sentence.

    Parameters
    ----------
    found : TreatmentEffect

    Returns
    -------
    str
    """
    sure = "helped" if found.lower > 0 else "harmed" if found.upper < 0 else "shows no sure effect"
    words = (
        f"the work {sure}: {100 * found.effect:+.1f} points of cover "
        f"[{100 * found.lower:+.1f}, {100 * found.upper:+.1f}], {found.n_treated} units against "
        f"{found.n_control} controls"
    )
    only = "; nothing was surveyed before, so older differences count as effect"
    return words + (only if found.design == "control_impact" else "")


def _traits(plan: Plan, names: list[str]) -> np.ndarray | None:
    """Elevation and slope of units, where the plan knows all of them."""
    known = {line.unit.name: line.unit.site for line in plan.lines}
    if not all(name in known for name in names):
        return None
    return np.array([[known[name].elevation, known[name].slope] for name in names])


def _check_plan(plan: Plan, cover: pd.DataFrame, treated: list[str], water: Sequence[str]) -> None:
    missing = [name for name in ("unit", "year", "cover", *water) if name not in cover]
    if missing:
        raise DataError(
            "a table of cover without its columns",
            found=f"no {', '.join(missing)}",
            do="Give unit, year and cover, and the water that is to be taken out",
        )
    for name in treated:
        if plan.line(name).state not in ("done", "evaluated"):
            raise DataError(
                "work that is not done cannot be evaluated",
                found=f"{name}: {plan.line(name).state}",
                do="Say when it is done: headwater plan done",
            )
    absent = sorted(set(treated) - set(cover["unit"]))
    if not treated or absent:
        raise DataError(
            "no done unit to evaluate" if not treated else "done units without cover",
            found=", ".join(absent) or "0",
            do="Survey them, and give their cover by year",
        )
    double = cover.duplicated(["unit", "year"])
    if double.any():
        row = cover[double].iloc[0]
        raise DataError(
            "a unit and year stands twice",
            found=f"{row['unit']}, {row['year']}",
            do="Give one cover for each unit and year: its mean",
        )
