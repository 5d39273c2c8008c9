"""The end members of a group of mixtures: those of its own months, at its own altitude."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError

if TYPE_CHECKING:
    from headwater.chapters.samples.options import MixingOptions
    from headwater.isotopes.mixing.composition import Composition

__all__ = ["paired_sources"]

_FEWEST = 6
_LEAST_RANGE = 100.0


def paired_sources(
    table: pd.DataFrame, mixtures: pd.DataFrame, asked: MixingOptions, columns: tuple[str, ...]
) -> Composition:
    """Summarise the sources that stand beside a group of mixtures.

    Parameters
    ----------
    table : DataFrame
        The sample table.
    mixtures : DataFrame
        Samples that share the paired columns among `columns`.
    asked : MixingOptions
        Sources, tracers, and how sources are paired with their mixtures.
    columns : tuple of str
        Those that make the group.

    Returns
    -------
    Composition
        In the order asked for.

    Raises
    ------
    DataError
        If a source has no sample where its mixtures are, or no gradient with altitude can be told.

    Notes
    -----
    With ``lapse``, a source has the mean ``m + g (z - z̄)`` at the mean altitude z of its mixtures,
    m and g by least squares on its samples, and that mean the covariance
    ``S (1/n + (z - z̄)² / Σ(z_i - z̄)²)``, S of the residuals. Fractions of a mixture of many
    altitudes follow from the mean altitude alone, for the gradient is linear.
    """
    from headwater.isotopes.mixing.composition import compose

    ends = table[table["water"].isin(asked.sources)]
    for name in asked.paired:
        if name in columns:
            ends = ends[ends[name].isin(mixtures[name].dropna().unique())]
    lacking = [name for name in asked.sources if name not in set(ends["water"])]
    if lacking:
        raise DataError(
            f"{lacking[0]} has no sample where its mixtures are",
            found=f"{len(mixtures)} mixtures of {_where(mixtures, asked)}",
            do="Pair by fewer columns, or leave the source out",
        )
    order = [name.replace("_", " ") for name in asked.sources]
    sources = compose(ends, asked.tracers).take(order)
    if not asked.lapse:
        return sources
    height = float(mixtures["elevation"].mean())
    parts = [_at_height(ends[ends["water"] == name], asked, height) for name in asked.sources]
    mean, of_mean, n = (np.array(piece) for piece in zip(*parts, strict=True))
    count = np.broadcast_to(n[:, None], mean.shape)
    return replace(sources, mean=mean, covariance=of_mean * n[:, None, None], n=count, rows=())


def _at_height(rows: pd.DataFrame, asked: MixingOptions, height: float) -> tuple[Any, Any, int]:
    """Mean of one source at an altitude, the covariance of that mean, and n."""
    tracers = list(asked.tracers)
    if "d_excess" in tracers and "d_excess" not in rows:
        rows = rows.assign(d_excess=rows["d2H"] - 8.0 * rows["d18O"])
    whole = rows[[*tracers, "elevation"]].dropna()
    z = whole["elevation"].to_numpy(dtype=float)
    if len(z) < _FEWEST or np.ptp(z) < _LEAST_RANGE:
        raise DataError(
            f"the altitude gradient of {rows['water'].iloc[0]} cannot be told",
            found=f"{len(z)} samples within {np.ptp(z) if len(z) else 0:.0f} m",
            do="Set lapse = false in [samples.mixing]",
        )
    y = whole[tracers].to_numpy(dtype=float)
    off, n = z - z.mean(), len(z)
    gradient = off @ (y - y.mean(axis=0)) / (off @ off)
    rest = y - y.mean(axis=0) - off[:, None] * gradient
    away = height - float(z.mean())
    scatter = rest.T @ rest / (n - 2)
    return y.mean(axis=0) + away * gradient, scatter * (1.0 / n + away**2 / (off @ off)), n


def _where(mixtures: pd.DataFrame, asked: MixingOptions) -> str:
    parts = [", ".join(map(str, mixtures[name].dropna().unique()[:3])) for name in asked.paired]
    return "; ".join(part for part in parts if part) or "this group"
