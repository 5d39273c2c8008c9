"""The data of the hierarchical mixing model, and its choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, StudyError, nearest
from headwater.installation import install_hint
from headwater.isotopes.mixing.composition import Composition, name_rows
from headwater.isotopes.mixing.priors import CappedPrior, FractionPrior

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from headwater.isotopes.mixing.hierarchical import Effects

__all__ = ["Cells", "Chains", "Model", "Sums", "make_cells", "needs_extra"]


class Chains(NamedTuple):
    """How long the chains are: warm-up and kept draws of each, and how many there are."""

    warmup: int = 750
    draws: int = 1000
    chains: int = 4


class Sums(NamedTuple):
    """n (D, C), mean (D, C, T) and scatter (D, C, T, T) of D data sets."""

    n: Any
    mean: Any
    scatter: Any


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Samples that share every effect are one cell: n, mean and scatter are all that counts.

    ``values`` (N, T) in standard units, ``cell`` (N,) their cells; n (C,), mean (C, T), scatter
    (C, T, T); ``levels`` (C,) indices by random effect; covariates (C, B); the table of cells.
    """

    values: Any
    cell: Any
    n: Any
    mean: Any
    scatter: Any
    levels: Mapping[str, Any]
    names: Mapping[str, tuple[str, ...]]
    covariates: Any
    table: pd.DataFrame
    tracers: tuple[str, ...]
    centre: Any
    scale: Any

    def without(self, rows: ArrayLike) -> Cells:
        """Return the same cells with these samples held out."""
        kept = np.setdiff1d(np.arange(len(self.values)), rows)
        return replace(self, **_sums(self.values[kept], self.cell[kept], len(self.n)))


def needs_extra() -> None:
    """Refuse politely where the extra is not installed."""
    from importlib.util import find_spec

    lacking = [name for name in ("numpyro", "arviz_stats") if find_spec(name) is None]
    if lacking:
        raise StudyError(
            "hierarchical mixing needs the extra `bayes`",
            found=f"{' and '.join(lacking)} not installed",
            do=f"{install_hint('bayes')}; or use mix_posterior for independent groups",
        )


def make_cells(
    samples: pd.DataFrame, tracers: tuple[str, ...], effects: Effects, sources: Composition
) -> Cells:
    """Group samples into cells of equal effects, in standard units of the tracers."""
    needed = [*tracers, *effects.columns]
    for name in needed:
        if name not in samples:
            raise InputError(
                "no such column",
                found=f"'{name}'",
                do=nearest(name, [str(c) for c in samples.columns]),
            )
    holes = samples.index[samples[needed].isna().any(axis=1).to_numpy()]
    if len(holes):
        raise DataError(
            f"samples lack a tracer or an effect{name_rows([int(row) for row in holes])}",
            found=f"{len(holes)} of {len(samples)}",
            do="Leave them out, or use mix_posterior, which takes missing tracers",
        )
    factors = list(effects.columns)
    keys = samples[factors] if factors else pd.DataFrame({"all": 1}, index=samples.index)
    cell = keys.groupby(list(keys.columns), sort=True, observed=True).ngroup().to_numpy()
    table = keys.assign(_cell=cell).drop_duplicates("_cell").sort_values("_cell")
    table = table.drop(columns="_cell").reset_index(drop=True)
    raw = samples[list(tracers)].to_numpy(dtype=float)
    centre = sources.mean.mean(axis=0)
    scale = np.sqrt(sources.covariance.diagonal(axis1=1, axis2=2).mean(axis=0))
    values = (raw - centre) / scale
    levels, names = _levels(table, effects)
    return Cells(
        values=values,
        cell=cell,
        **_sums(values, cell, len(table)),
        levels=levels,
        names=names,
        covariates=_covariates(table, samples, effects.continuous),
        table=table,
        tracers=tracers,
        centre=centre,
        scale=scale,
    )


def _sums(values: NDArray[Any], cell: NDArray[Any], count: int) -> dict[str, Any]:
    n = np.bincount(cell, minlength=count).astype(float)
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, cell, values)
    mean = total / np.maximum(n, 1.0)[:, None]
    off = values - mean[cell]
    scatter = np.zeros((count, values.shape[1], values.shape[1]))
    np.add.at(scatter, cell, off[:, :, None] * off[:, None, :])
    return {"n": n, "mean": mean, "scatter": scatter}


def _levels(table: pd.DataFrame, effects: Effects) -> tuple[dict[str, Any], dict[str, Any]]:
    levels, names = {}, {}
    for name in (*effects.random, *effects.fixed):
        codes, found = pd.factorize(table[name].astype(str), sort=True)
        levels[name], names[name] = codes, tuple(found)
    for inner, outer in effects.nested:
        both = table[outer].astype(str) + " / " + table[inner].astype(str)
        codes, found = pd.factorize(both, sort=True)
        levels[f"{inner} in {outer}"], names[f"{inner} in {outer}"] = codes, tuple(found)
    return levels, names


def _covariates(table: pd.DataFrame, samples: pd.DataFrame, columns: tuple[str, ...]) -> Any:
    parts = []
    for name in columns:
        sd = float(samples[name].std())
        if not sd > 0.0:
            raise DataError(
                f"{name} is the same for all samples",
                found="standard deviation 0",
                do="Leave the effect out",
            )
        parts.append((table[name].to_numpy(dtype=float) - float(samples[name].mean())) / sd)
    return np.array(parts).T if parts else np.zeros((len(table), 0))


@dataclass(frozen=True, slots=True)
class Model:
    """What does not change between runs: priors, residual, evaporation, what is fixed."""

    prior: FractionPrior
    residual: str
    evaporation: tuple[float, float] | None
    tau_scale: float
    residual_sd: Mapping[str, float] | None = None
    fixed: tuple[str, ...] = ()

    @property
    def caps(self) -> tuple[float, ...]:
        """Largest fraction of each source; empty where there are none."""
        return self.prior.caps if isinstance(self.prior, CappedPrior) else ()
