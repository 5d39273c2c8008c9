"""MIX: fractions when end members are uncertain, and estimated from the mixtures too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes._arrays import Floats
from headwater.isotopes.mixing.bounds import project
from headwater.isotopes.mixing.composition import Composition, check_sources
from headwater.isotopes.mixing.results import MixLikelihood
from headwater.results import of_inputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["bootstrap_means", "estimate_end_members", "improvement_index", "mix_carrera"]

_REFERENCE = (
    "Carrera, Vazquez-Sune, Castillo & Sanchez-Vila (2004), A methodology to compute mixing ratios "
    "with uncertain end-members, Water Resour. Res. 40:W12101, doi:10.1029/2003WR002263"
)

_REFIT_TOLERANCE, _MOST_LOST = 1e-3, 0.1


def estimate_end_members(
    measured: Any,
    mixtures: Any,
    *,
    source_sd: Any,
    mixture_sd: Any,
    tolerance: float = 1e-6,
    rounds: int = 200,
) -> tuple[Any, Any, float]:
    """Fractions and end members that together are most likely.

    Parameters
    ----------
    measured : array of shape (K, T), K ≤ T + 1
        End members as measured.
    mixtures : array of shape (N, T)
        Mixtures as measured.
    source_sd : array of shape (K, T) or (T,)
        How uncertain the end members are: their scatter in space and time.
    mixture_sd : array of shape (N, T) or (T,)
        Error of the mixtures.
    tolerance : float
        Largest change of an end member at the end, in units of its sd [1].
    rounds : int
        Most iterations.

    Returns
    -------
    fractions : array of shape (N, K)
        [1]
    sources : array of shape (K, T)
        Estimated end members.
    objective : float
        ``½ Σ (y - f s)²/σ² + ½ Σ (m - s)²/σ_s²``.

    Raises
    ------
    DataError
        If an error is not positive, there are too many sources, or it does not converge.

    Notes
    -----
    For given end members the fractions are exact (least squares on the simplex), so the objective
    is a function of the end members alone. It is lowered by Gauss-Newton steps on the part of each
    residual that no change of fractions on its face of the simplex can take up (variable
    projection), halved until the objective falls.

    References
    ----------
    Carrera et al. (2004), Water Resour. Res. 40:W12101, doi:10.1029/2003WR002263.

    Examples
    --------
    >>> f = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    >>> mixtures = f @ [[0.0, 10.0], [20.0, 2.0]]
    >>> found, ends, _ = estimate_end_members([[1.0, 9.0], [18.0, 3.0]], mixtures,
    ...                                         source_sd=[2.0, 2.0], mixture_sd=[0.1, 0.1])
    >>> bool(np.abs(found - f).max() < 0.1)
    True
    """
    m, y = np.asarray(measured, dtype=float), np.atleast_2d(np.asarray(mixtures, dtype=float))
    of_sources = _weights(m, source_sd)
    of_mixtures = _weights(y, mixture_sd)
    _check(m)
    best: tuple[Any, Any, float] | None = None
    for start in _starts(m):
        found = _climb(start, m, y, of_sources, of_mixtures, _Stop(tolerance, rounds))
        if best is None or found[2] < best[2] - 1e-9:
            best = found
    assert best is not None
    return best


def _weights(values: Floats, sd: Floats) -> Any:
    spread = np.broadcast_to(np.asarray(sd, dtype=float), values.shape)
    if not np.all(spread > 0.0):
        raise DataError(
            "MIX needs an error above 0 for every end member and mixture",
            found="an error of 0, or none",
            do="State the standard deviations: for end "
            "members their scatter, for mixtures the measurement error",
        )
    return 1.0 / np.square(spread)


def _check(m: NDArray[Any]) -> None:
    if m.shape[0] > m.shape[1] + 1:
        raise DataError(
            f"{m.shape[0]} end members cannot be distinguished with {m.shape[1]} tracers",
            found=f"{m.shape[0] - 1} tracers are needed",
            do="Add tracers, or join end members",
        )


def _starts(m: NDArray[Any]) -> list[Any]:
    """Return the measured end members, and the same drawn apart."""
    wider = m.mean(axis=0) + 1.15 * (m - m.mean(axis=0))
    return [m, wider]


class _Stop(NamedTuple):
    """When to stop: a step below the tolerance, or so many rounds."""

    tolerance: float
    rounds: int


def _climb(
    s: Floats, m: NDArray[Any], y: Floats, of_sources: Floats, of_mixtures: Floats, stop: _Stop
) -> tuple[Any, Any, float]:
    root = np.sqrt(of_mixtures)

    def fit(ends: Any) -> tuple[Any, float]:
        f, off = _fractions(ends, y, root)
        return f, 0.5 * float(off.sum() + (of_sources * (m - ends) ** 2).sum())

    f, height = fit(s)
    for _ in range(stop.rounds):
        step = _step(s, f, (m, y), of_sources, root)
        for _ in range(12):
            tried, level = fit(s + step)
            if level < height:
                break
            step = 0.5 * step
        else:
            return f, s, height
        moved = float(np.abs(step * np.sqrt(of_sources)).max())
        fallen, s, f, height = height - level, s + step, tried, level
        if moved < stop.tolerance or fallen < 1e-10 * height:
            return f, s, height
    raise DataError(
        "MIX did not converge",
        found=f"end members still move by {moved:.1g} sd",
        do="State larger errors for the end members, or fewer of them",
    )


def _fractions(s: Floats, y: Floats, root: Floats) -> tuple[Any, Any]:
    if np.all(root == root[:1]):
        return project(y * root[:1], s * root[0])
    return project(y * root, s * root[:, None, :])


def _step(s: Floats, f: Floats, data: Any, of_sources: Floats, root: Floats) -> Any:
    (m, y), (k, t) = data, s.shape
    gradient = f.T @ (root**2 * (y - f @ s)) + of_sources * (m - s)
    curvature = np.diag(of_sources.ravel()).reshape(k, t, k, t)
    for face in np.unique(f > 0.0, axis=0):
        rows = np.flatnonzero(((f > 0.0) == face).all(axis=1))
        corners = s[face] * root[rows[:1] if np.all(root == root[:1]) else rows, None, :]
        edges = corners[:, 1:] - corners[:, :1]
        left = np.eye(t) - np.linalg.pinv(edges) @ edges  # what fractions cannot take up
        weight = root[rows[: len(left)], :, None] * left * root[rows[: len(left)], None, :]
        if len(weight) == 1:
            curvature += np.einsum("ij,tu->itju", f[rows].T @ f[rows], weight[0])
        else:
            curvature += np.einsum("ni,nj,ntu->itju", f[rows], f[rows], weight, optimize=True)
    solved = np.linalg.solve(curvature.reshape(k * t, k * t), gradient.ravel())
    return solved.reshape(k, t)


def improvement_index(estimated: ArrayLike, true: ArrayLike, source_sd: ArrayLike) -> float:
    """How much better the estimated end members are than the measured ones (simulations only).

    Parameters
    ----------
    estimated, true : array of shape (K, T)
        End members.
    source_sd : array of shape (K, T)
        Standard deviations of the measured ones.

    Returns
    -------
    float
        Prior over posterior mean square error, in units of the prior variance [1].

    References
    ----------
    Carrera et al. (2004), equation 28, Water Resour. Res. 40:W12101, doi:10.1029/2003WR002263.

    Examples
    --------
    >>> improvement_index([[1.0]], [[2.0]], [[2.0]])
    4.0
    """
    off = (np.asarray(true) - np.asarray(estimated)) / np.asarray(source_sd)
    return float(1.0 / np.mean(np.square(off)))


@of_inputs
def mix_carrera(sources: Composition, mixtures: Composition) -> MixLikelihood:
    """Split mixtures whose end members are uncertain; the more mixtures, the better both are known.

    Parameters
    ----------
    sources : Composition
        End members; their scatter is how uncertain they are.
    mixtures : Composition
        Samples with measurement errors, or groups with the errors of their means.

    Returns
    -------
    MixLikelihood

    Raises
    ------
    DataError
        If there are too many sources, an error is missing, or it does not converge.

    References
    ----------
    Carrera et al. (2004), Water Resour. Res. 40:W12101, doi:10.1029/2003WR002263.

    Examples
    --------
    >>> from headwater.isotopes.mixing.composition import compose_stated
    >>> ends = compose_stated(pd.DataFrame({"source": ["rain", "ice"], "d18O": [-20.0, -10.0],
    ...                       "d18O_sd": [1.0, 1.0], "n": [50, 40]}), ["d18O"])
    >>> soil = compose_stated(pd.DataFrame({"source": ["a", "b"], "d18O": [-13.0, -16.0],
    ...                       "d18O_sd": [0.1, 0.1]}), ["d18O"])
    >>> mix_carrera(ends, soil).data["fraction"].round(2).tolist()
    [0.3, 0.7, 0.6, 0.4]
    """
    check_sources(sources)
    source_sd = np.sqrt(sources.covariance.diagonal(axis1=1, axis2=2))
    mixture_sd = np.sqrt(mixtures.mean_covariance().diagonal(axis1=1, axis2=2))
    found, ends, objective = estimate_end_members(
        sources.mean, mixtures.mean, source_sd=source_sd, mixture_sd=np.nan_to_num(mixture_sd)
    )
    k, t = sources.mean.shape
    table = pd.DataFrame(
        {
            "mixture": np.repeat(mixtures.labels, k),
            "source": list(sources.labels) * len(mixtures),
            "fraction": found.ravel(),
        }
    )
    table.attrs["units"] = {"fraction": "1"}
    moved = pd.DataFrame(
        {
            "source": np.repeat(sources.labels, t),
            "tracer": list(sources.tracers) * k,
            "measured": sources.mean.ravel(),
            "estimated": ends.ravel(),
            "sd": source_sd.ravel(),
            "shift": ((ends - sources.mean) / source_sd).ravel(),
        }
    )
    far = moved[moved["shift"].abs() > 2.0]
    return MixLikelihood(
        table,
        "Fractions and end members by maximum likelihood (MIX, Carrera et al. 2004).",
        (_REFERENCE,),
        choices=("errors of the tracers taken as independent",),
        cautions=tuple(
            f"{row.source} had to move by {row.shift:.1f} standard deviations in {row.tracer}: "
            "it does not fit the mixtures."
            for row in far.itertuples()
        ),
        sources=moved,
        objective=objective,
    )


def bootstrap_means(
    fit: MixLikelihood,
    mixtures: Composition,
    groups: Sequence[str],
    *,
    rng: np.random.Generator,
    n_resamples: int = 100,
) -> pd.DataFrame:
    """Intervals of the mean fractions of groups, by bootstrap.

    Parameters
    ----------
    fit : MixLikelihood
        Of :func:`mix_carrera`, with its sources.
    mixtures : Composition
        The samples that were fitted.
    groups : sequence of str
        The group of each.
    rng : Generator
        Random numbers.
    n_resamples : int
        Refits.

    Returns
    -------
    DataFrame
        ``mixture`` (the group), ``source``, ``low`` and ``high`` (95 %).

    Raises
    ------
    DataError
        If more than a tenth of the refits do not converge.

    Notes
    -----
    Samples are drawn again within their group; end members as measured are drawn anew about the
    estimated ones, with the standard deviations that MIX gives them. A refit stops where no end
    member moves by a thousandth of its sd; those that do not are left out. Coverage:
    docs/simulations/mix.md.
    """
    names = list(dict.fromkeys(fit.sources["source"]))
    shape = (len(names), -1)
    ends, sd = (fit.sources[c].to_numpy(dtype=float).reshape(shape) for c in ("estimated", "sd"))
    errors = np.sqrt(np.nan_to_num(mixtures.mean_covariance()).diagonal(axis1=1, axis2=2))
    codes, labels = pd.factorize(np.asarray(groups))
    rows = [np.flatnonzero(codes == g) for g in range(len(labels))]
    means = np.full((n_resamples, len(labels), len(names)), np.nan)
    for b in range(n_resamples):
        chosen = [rng.choice(own, len(own)) for own in rows]
        at = np.concatenate(chosen)
        measured = ends + sd * rng.standard_normal(ends.shape)
        try:
            found, _, _ = estimate_end_members(
                measured,
                mixtures.mean[at],
                source_sd=sd,
                mixture_sd=errors[at],
                tolerance=_REFIT_TOLERANCE,
            )
        except DataError:
            continue
        parts = np.split(found, np.cumsum([len(own) for own in chosen])[:-1])
        means[b] = [part.mean(axis=0) for part in parts]
    lost = int(np.isnan(means[:, 0, 0]).sum())
    if lost > _MOST_LOST * n_resamples:
        raise DataError(
            "MIX gives no intervals",
            found=f"{lost} of {n_resamples} refits did not converge",
            do="Read the closed form, or state larger errors for the end members",
        )
    low, high = np.nanquantile(means, [0.025, 0.975], axis=0)
    return pd.DataFrame(
        {
            "mixture": np.repeat(labels, len(names)),
            "source": names * len(labels),
            "low": low.ravel(),
            "high": high.ravel(),
        }
    )
