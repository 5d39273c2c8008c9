"""Fractions of sources in a mixture, in closed form, with first-order errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from headwater.errors import DataError
from headwater.isotopes._arrays import Flags, Floats, Places
from headwater.isotopes.mixing.bounds import affine_solve, project
from headwater.isotopes.mixing.composition import Composition, check_sources, name_rows
from headwater.isotopes.mixing.results import MixingTable
from headwater.results import of_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "exact_fractions",
    "fraction_covariance",
    "fraction_sd",
    "mix_closed_form",
    "simplex_fractions",
    "source_concentrations",
]

_REFERENCES = (
    "Genereux (1998), Quantifying uncertainty in tracer-based hydrograph separations, Water "
    "Resour. Res. 34:915, doi:10.1029/98WR00010",
    "Phillips & Gregg (2001), Uncertainty in source partitioning using stable isotopes, Oecologia "
    "127:171, doi:10.1007/s004420000578",
)
_PHILLIPS_KOCH = (
    "Phillips & Koch (2002), Incorporating concentration dependence in stable isotope mixing "
    "models, Oecologia 130:114, doi:10.1007/s004420100786"
)
_ROUNDS = 3


def exact_fractions(sources: ArrayLike, mixtures: ArrayLike) -> Any:
    """Fractions of n sources from n - 1 tracers, not held to 0...1.

    Parameters
    ----------
    sources : array of shape (K, K - 1) or (N, K, K - 1)
        Means, the same for all mixtures or each mixture's own.
    mixtures : array of shape (N, K - 1)
        What was measured.

    Returns
    -------
    array of shape (N, K)
        Sum to 1 [1]; negative values say that the mixture lies outside the polygon.

    Raises
    ------
    DataError
        If the number of tracers is not the number of sources less one, or the sources lie on one
        line.

    Notes
    -----
    ``f = A⁻¹ (y, 1)`` with ``A = [Sᵀ; 1ᵀ]``.

    References
    ----------
    Phillips & Gregg (2001), Oecologia 127:171, doi:10.1007/s004420000578.

    Examples
    --------
    >>> exact_fractions([[-11.0, 8.0], [-14.0, 2.0], [-16.0, 14.0]], [[-12.0, 7.28]]).round(2)
    array([[0.72, 0.2 , 0.08]])
    """
    s, y = np.asarray(sources, dtype=float), np.atleast_2d(np.asarray(mixtures, dtype=float))
    if s.shape[-2] != s.shape[-1] + 1:
        raise _count_error(s.shape[-2], s.shape[-1])
    return _affine(y, s)


def _affine(y: Floats, s: Floats) -> Any:
    """Least-squares fractions that sum to 1, in a metric of unit errors."""
    operator = affine_solve(s)
    left = y - s[..., -1, :]
    f = left @ operator.T if s.ndim == 2 else np.einsum("nkt,nt->nk", operator, left)
    f[:, -1] += 1.0
    return f


def _count_error(sources: int, tracers: int) -> DataError:
    return DataError(
        f"{sources} sources cannot be distinguished with {tracers} "
        f"tracer{'s' if tracers > 1 else ''}",
        found=f"{sources - 1} tracers are needed",
        do="Add tracers, join sources, or ask for what is possible: feasible_bounds gives the "
        "range of each fraction, mix_posterior its distribution under a stated prior",
    )


def simplex_fractions(
    sources: Any, mixtures: Any, *, covariance: Any = None, caps: Any = None
) -> Any:
    """Fractions between 0 and 1 of the nearest possible mixture.

    Parameters
    ----------
    sources : array of shape (K, T) or (N, K, T)
        Means, the same for all mixtures or each mixture's own; K at most T + 1.
    mixtures : array of shape (N, T)
        What was measured.
    covariance : array of shape (T, T), optional
        Of the misfit: distance is Mahalanobis distance in it. None takes equal, independent
        errors, whose answer depends on the choice of tracers (δ²H or d-excess).
    caps : array of shape (K,), optional
        Largest possible fraction of each source, from its volume [1].

    Returns
    -------
    array of shape (N, K)
        [1], sum to 1.

    Raises
    ------
    DataError
        If there are more sources than tracers + 1, the caps leave less than a whole, or the
        covariance is singular.

    Notes
    -----
    The faces of the simplex are enumerated, all mixtures at once; the answer is exact.

    Examples
    --------
    >>> corners = [[-11.0, 8.0], [-14.0, 2.0], [-16.0, 14.0]]
    >>> simplex_fractions(corners, [[-10.0, 12.0]]).round(4)
    array([[0.6885, 0.    , 0.3115]])
    """
    s, y = np.asarray(sources, dtype=float), np.atleast_2d(np.asarray(mixtures, dtype=float))
    if s.shape[-2] > s.shape[-1] + 1:
        raise _count_error(s.shape[-2], s.shape[-1])
    _check_caps(caps)
    if covariance is not None:
        metric = _whiten(np.asarray(covariance, dtype=float))
        s, y = s @ metric, y @ metric
    fractions: Any = project(y, s, caps)[0]
    return fractions


def _check_caps(caps: Any) -> None:
    if caps is not None and np.minimum(np.asarray(caps, dtype=float), 1.0).sum() < 1.0 - 1e-9:
        raise DataError(
            "the available volumes of all sources do not fill the mixture",
            found=f"largest fractions sum to {np.sum(caps):g}",
            do="Raise a cap, or add the missing source",
        )


def _whiten(covariance: Floats) -> Any:
    """Return W with Wᵀ Σ W = 1, so that ``y @ W`` has independent errors of unit size."""
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise DataError(
            "the covariance of the tracers is singular",
            found=f"smallest eigenvalue {np.linalg.eigvalsh(covariance).min():.2g}",
            do="Leave out a tracer that is computed from others, or state the errors",
        ) from error
    return np.swapaxes(np.linalg.inv(lower), -1, -2)


def fraction_covariance(
    sources: Any, fractions: Any, *, mixture_covariance: Any, source_covariance: Any
) -> Any:
    """First-order covariance of the fractions.

    Parameters
    ----------
    sources : array of shape (K, T), K ≤ T + 1
        Means.
    fractions : array of shape (N, K)
        As solved.
    mixture_covariance : array of shape (T, T)
        Of the error of a mixture (of its mean: s²/n).
    source_covariance : array of shape (K, T, T)
        Of the error of each source's mean.

    Returns
    -------
    array of shape (N, K, K)
        [1]

    Notes
    -----
    ``Var f = B (Σ_y + Σ_k f_k² Σ_k) Bᵀ``, B the first T columns of ``A⁻¹``; with two sources this
    is equation 4 of Genereux (1998). The covariance between tracers counts.

    References
    ----------
    Genereux (1998), Water Resour. Res. 34:915, doi:10.1029/98WR00010. Phillips & Gregg (2001),
    Oecologia 127:171, doi:10.1007/s004420000578.

    Examples
    --------
    >>> var = fraction_covariance([[-20.0], [-10.0]], [[0.3, 0.7]], mixture_covariance=[[0.25]],
    ...                           source_covariance=[[[1.44]], [[0.64]]])
    >>> var[0].diagonal().round(6) ** 0.5
    array([0.08325..., 0.08325...])
    """
    constant, slopes = _variances(sources, mixture_covariance, source_covariance)
    k = len(constant)
    share = np.asarray(fractions, dtype=float) ** 2 @ slopes.reshape(len(slopes), k * k)
    return constant + share.reshape(-1, k, k)


def _variances(sources: Floats, of_mixture: Floats, of_sources: Floats) -> tuple[Any, Any]:
    s, noise = np.asarray(sources, dtype=float), np.asarray(of_sources, dtype=float)
    of_mixture = np.asarray(of_mixture, dtype=float)
    if s.shape[0] > s.shape[1] + 1:
        raise _count_error(*s.shape)
    if s.shape[0] == s.shape[1] + 1:
        operator = affine_solve(s)
    else:
        metric = _whiten(of_mixture + noise.mean(axis=0) / len(s))
        operator = affine_solve(s @ metric) @ metric.T
    return operator @ of_mixture @ operator.T, operator @ noise @ operator.T


def fraction_sd(
    sources: Any, fractions: Any, *, mixture_covariance: Any, source_covariance: Any
) -> Any:
    """First-order standard errors of the fractions: the roots of :func:`fraction_covariance`.

    Examples
    --------
    >>> fraction_sd([[-20.0], [-10.0]], [[0.3, 0.7]], mixture_covariance=[[0.25]],
    ...             source_covariance=[[[1.44]], [[0.64]]]).round(4)
    array([[0.0833, 0.0833]])
    """
    constant, slopes = _variances(sources, mixture_covariance, source_covariance)
    diagonal = slopes.diagonal(axis1=1, axis2=2)
    squares = np.square(np.asarray(fractions, dtype=float))
    return np.sqrt(squares @ diagonal + constant.diagonal())


@dataclass(frozen=True, slots=True)
class _Problem:
    """Mixtures with the same tracers: y (N, T), its error, sources (N, K, T), theirs, q (K, T).

    Degrees of freedom of these errors are ``less`` (1 + K, N), the mixtures first.
    """

    y: Any
    y_error: Any
    s: Any
    s_error: Any
    q: Any
    less: Any

    def misfit(self, f: Any) -> Any:
        """Covariance of the misfit at fractions f, (N, T, T)."""
        return self.shares(f).sum(axis=0)

    def shares(self, f: Any) -> Any:
        """Parts of that covariance by the mixtures and by each source, (1 + K, N, T, T)."""
        own = np.einsum("nk,kt->nt", f, self.q)
        scaled = own[:, :, None] * self.y_error * own[:, None, :]
        spread = self.q[:, :, None] * self.s_error * self.q[:, None, :]
        return np.concatenate([scaled[None], np.einsum("nk,nktu->kntu", f**2, spread)])


@of_inputs
def mix_closed_form(
    sources: Composition | Mapping[str, Composition],
    mixtures: Composition,
    *,
    caps: Mapping[str, float] | None = None,
    concentration: Mapping[str, Any] | None = None,
    level: float = 0.95,
) -> MixingTable:
    """Split mixtures into their sources, in closed form.

    Parameters
    ----------
    sources : Composition or mapping of str to Composition
        The end members; or one set for each mixture, by its label (paired sources).
    mixtures : Composition
        Samples, groups, or stated means; a mixture may lack tracers.
    caps : mapping of str to float, optional
        Largest fraction of a source, from its available volume [1].
    concentration : mapping of str to array of shape (T,), optional
        Concentration of each tracer by source, where it differs (solutes; for δ¹⁸O and δ²H in
        water it is 1).
    level : float
        Probability of the intervals [1].

    Returns
    -------
    MixingTable
        Fractions in the metric of all errors, held to 0...1; the unconstrained fractions and their
        first-order errors next to them; what does not fit, in ``status``.

    Raises
    ------
    DataError
        If the sources cannot be distinguished, or are more than tracers + 1.

    Notes
    -----
    Minimises ``rᵀ Σ(f)⁻¹ r`` over the simplex, ``r = y - Σ f_k S_k``, with
    ``Σ(f) = Σ_y + Σ f_k² Σ_k`` iterated. With concentrations q, ``r = Σ f_k q_k (S_k - y)``.
    Intervals are Student's t, with the degrees of freedom of Satterthwaite (1946,
    doi:10.2307/3002019) for variances of few samples.

    References
    ----------
    Genereux (1998), Water Resour. Res. 34:915, doi:10.1029/98WR00010. Phillips & Gregg (2001),
    Oecologia 127:171, doi:10.1007/s004420000578. Phillips & Koch (2002), Oecologia 130:114,
    doi:10.1007/s004420100786.

    Examples
    --------
    >>> from headwater.isotopes.mixing.composition import compose_stated
    >>> ends = compose_stated(pd.DataFrame({"source": ["rain", "ice"], "d18O": [-20.0, -10.0],
    ...                                     "d18O_sd": [1.2, 0.8]}), ["d18O"])
    >>> river = compose_stated(pd.DataFrame({"source": ["river"], "d18O": [-13.0],
    ...                                      "d18O_sd": [0.5]}), ["d18O"])
    >>> mix_closed_form(ends, river).data[["source", "fraction", "sd"]].round(3).values.tolist()
    [['rain', 0.3, 0.083], ['ice', 0.7, 0.083]]
    """
    sets = _source_sets(sources, mixtures)
    names = sets[0].labels
    weights = source_concentrations(concentration, names, len(mixtures.tracers))
    limits = None if caps is None else np.array([caps.get(name, 1.0) for name in names])
    _check_caps(limits)
    parts = []
    for there in np.unique(np.isfinite(mixtures.mean), axis=0):
        rows = np.flatnonzero((np.isfinite(mixtures.mean) == there).all(axis=1))
        parts.append(_solve_rows(sets, mixtures, rows, there, _Rules(weights, limits, level)))
    table = pd.concat(parts).sort_values(["_at", "_k"], kind="stable", ignore_index=True)
    table = table.drop(columns=["_at", "_k"])
    table.attrs["units"] = dict.fromkeys(
        ("fraction", "sd", "low", "high", "unconstrained"), "1"
    ) | {"distance": "sd"}
    return MixingTable(
        table,
        "Fractions by least squares on the simplex in the metric of all errors; first-order errors "
        "with the covariance of the tracers (Genereux 1998; Phillips and Gregg 2001).",
        _REFERENCES + ((_PHILLIPS_KOCH,) if concentration else ()),
        choices=tuple(f"{name} may make up at most {cap:g}" for name, cap in (caps or {}).items()),
        cautions=_cautions(table, mixtures),
    )


def _source_sets(
    sources: Composition | Mapping[str, Composition], mixtures: Composition
) -> list[Composition]:
    if isinstance(sources, Composition):
        sets = [sources]
    else:
        unpaired = [label for label in mixtures.labels if label not in sources]
        if unpaired:
            raise DataError(
                "a mixture has no sources paired with it",
                found=f"'{unpaired[0]}'",
                do="Give each mixture its own set of sources",
            )
        sets = [sources[label] for label in mixtures.labels]
    for one in sets:
        check_sources(one, need_spread=False)
        if one.tracers != mixtures.tracers or one.labels != sets[0].labels:
            raise DataError(
                "sources and mixtures must have the same tracers in the same order",
                found=f"{', '.join(one.tracers)} and {', '.join(mixtures.tracers)}",
                do="Compose both with the same list",
            )
    if len(sets[0]) > len(mixtures.tracers) + 1:
        raise _count_error(len(sets[0]), len(mixtures.tracers))
    return sets


def source_concentrations(
    concentration: Mapping[str, Any] | None, names: tuple[str, ...], tracers: int
) -> Any:
    """Concentration of each tracer by source, relative to the mean of the sources, (K, T)."""
    if concentration is None:
        return None
    lacking = [name for name in names if name not in concentration]
    if lacking:
        raise DataError(
            "a source has no concentration",
            found=", ".join(lacking),
            do="State the concentration of every tracer in every source",
        )
    q = np.array([np.broadcast_to(concentration[name], tracers) for name in names], dtype=float)
    if not np.all(q > 0.0):
        raise DataError(
            "concentrations must be above 0",
            found=f"{q.min():g}",
            do="Leave out a source that holds none of the tracer",
        )
    return q / q.mean(axis=0)


_EXACT = 1e6
_PIECES = ("fraction", "sd", "low", "high", "unconstrained")


@dataclass(frozen=True, slots=True)
class _Rules:
    """Concentrations (K, T) and largest fractions (K,), where there are any; level of intervals."""

    weights: Floats | None
    limits: Floats | None
    level: float


def _solve_rows(
    sets: list[Composition],
    mixtures: Composition,
    rows: Places,
    there: Flags,
    rules: _Rules,
) -> pd.DataFrame:
    k, count = len(sets[0]), int(there.sum())
    notes: dict[str, ArrayLike]
    if k > count + 1:
        nothing = np.full((len(rows), k), np.nan)
        status = np.full(len(rows), f"too few tracers: {count} for {k} sources", dtype=object)
        notes = {"tracers": count, "distance": nothing[:, 0], "status": status}
        return _rows_table(sets[0], mixtures, rows, dict.fromkeys(_PIECES, nothing), notes)
    problem = _problem(sets, mixtures, rows, np.flatnonzero(there), rules.weights)
    free, held, sd, degrees, off = _iterate(problem, rules.limits)
    reach = _student_quantile(0.5 + rules.level / 2.0, degrees) * sd
    ends = np.clip(free - reach, 0, 1), np.clip(free + reach, 0, 1)
    pieces = dict(zip(_PIECES, (held, sd, *ends, free), strict=True))
    status = np.where((free < -1e-9).any(axis=1), "outside the polygon", "ok").astype(object)
    status[(status == "ok") & (np.abs(held - free).max(axis=1) > 1e-6)] = "held by a cap"
    notes = {"tracers": count, "distance": np.sqrt(off), "status": status}
    return _rows_table(sets[0], mixtures, rows, pieces, notes)


def _student_quantile(p: float, degrees: Floats) -> Any:
    from scipy.special import stdtrit

    return stdtrit(np.minimum(degrees, _EXACT), p)


def _degrees(waters: Composition, rows: Any, at: NDArray[Any]) -> Any:
    """Degrees of freedom of the scatter of waters; none are lost where their error is stated."""
    n = waters.n[np.ix_(rows, at)].min(axis=1).astype(float)
    own = np.isfinite(waters.covariance[np.ix_(rows, at, at)]).all(axis=(1, 2))
    return np.where(own & (n > 1), n - 1.0, np.inf)


def _problem(
    sets: list[Composition],
    mixtures: Composition,
    rows: NDArray[Any],
    at: NDArray[Any],
    weights: Floats | None,
) -> _Problem:
    y = mixtures.mean[np.ix_(rows, at)]
    own = [sets[0]] * len(rows) if len(sets) == 1 else [sets[i] for i in rows]
    if len(sets) == 1:
        s = np.broadcast_to(own[0].mean[:, at], (len(rows), len(own[0]), len(at)))
        noise = np.nan_to_num(own[0].mean_covariance())[:, at[:, None], at]
        noise = np.broadcast_to(noise, (len(rows), *noise.shape))
    else:
        s = np.array([one.mean[:, at] for one in own])
        noise = np.nan_to_num([one.mean_covariance()[:, at[:, None], at] for one in own])
    error = np.nan_to_num(mixtures.mean_covariance())[rows][:, at[:, None], at]
    ends = np.array([_degrees(one, range(len(one)), at) for one in own[: len(sets)]]).T
    ends = np.broadcast_to(ends, (len(own[0]), len(rows)))
    less = np.vstack([_degrees(mixtures, rows, at), ends])
    if weights is None:
        return _Problem(y, error, s, noise, np.ones(s.shape[1:]), less)
    q = weights[:, at]
    return _Problem(np.zeros_like(y), error, q * (s - y[:, None, :]), noise, q, less)


def _iterate(problem: _Problem, limits: Any) -> tuple[Any, Any, Any, Any, Any]:
    n, k, t = problem.s.shape
    spread = np.ptp(problem.s, axis=1) ** 2 + 1e-30
    floor = 1e-12 * spread[:, :, None] * np.eye(t)  # keeps exact sources solvable
    free = held = np.full((n, k), 1.0 / k)
    for _ in range(_ROUNDS if k > 1 else 1):
        metric_free = _whiten(problem.misfit(free) + floor)
        free = _affine(_times(problem.y, metric_free), problem.s @ metric_free)
        metric = _whiten(problem.misfit(held) + floor)
        held, off = project(_times(problem.y, metric), problem.s @ metric, limits)
    operator = affine_solve(problem.s @ metric_free) @ np.swapaxes(metric_free, -1, -2)
    parts = operator @ problem.shares(free) @ np.swapaxes(operator, -1, -2)
    own = parts.diagonal(axis1=2, axis2=3)
    variance = own.sum(axis=0)
    lost = (np.square(own) / problem.less[:, :, None]).sum(axis=0)
    degrees = np.square(variance) / np.maximum(lost, np.square(variance) / _EXACT + 1e-300)
    known = problem.misfit(free).diagonal(axis1=1, axis2=2).min(axis=1) > 0.0
    sd = np.where(known[:, None], np.sqrt(variance), np.nan)
    return free, held, sd, degrees, np.where(known, off, np.nan)


def _times(y: Floats, metric: Floats) -> Any:
    return np.einsum("nt,ntu->nu", y, metric)


def _rows_table(
    sources: Composition,
    mixtures: Composition,
    rows: Places,
    pieces: Mapping[str, Floats],
    notes: Mapping[str, ArrayLike],
) -> pd.DataFrame:
    """Write a row for each mixture and source: pieces (N, K), notes (N,)."""
    k = len(sources)
    return pd.DataFrame(
        {
            "mixture": np.repeat([mixtures.labels[i] for i in rows], k),
            "source": list(sources.labels) * len(rows),
            **{name: piece.ravel() for name, piece in pieces.items()},
            "n": np.repeat(mixtures.n[rows].max(axis=1), k),
            **{
                name: np.repeat(np.broadcast_to(np.asarray(note), len(rows)), k)
                for name, note in notes.items()
            },
            "_at": np.repeat(rows, k),
            "_k": np.tile(np.arange(k), len(rows)),
        }
    )


def _cautions(table: pd.DataFrame, mixtures: Composition) -> tuple[str, ...]:
    said = []
    for status, words in (
        (
            "outside",
            "lie outside the polygon of the sources: no mixture of the means makes them, "
            "their fractions are those of the nearest mixture and their errors too small",
        ),
        ("too few", "lack tracers and have no fractions"),
        ("held", "are held by the available volume of a source"),
    ):
        named = table.loc[table["status"].str.startswith(status), "mixture"].unique()
        if len(named):
            rows = [
                row
                for name in named
                if mixtures.rows
                for row in mixtures.rows[mixtures.labels.index(name)]
            ]
            said.append(f"{len(named)} of {len(mixtures)} mixtures {words}{name_rows(rows)}.")
    if table["sd"].isna().any() and not table["fraction"].isna().all():
        said.append("Where no error is known, there is no interval.")
    return tuple(said)
