"""Whether the named sources can be the end members: EMMA, hull screening, MIX, archetypes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.results import Result, TableResult

if TYPE_CHECKING:
    from headwater.chapters.samples.options import MixingOptions
    from headwater.isotopes.mixing.composition import Composition
    from headwater.isotopes.mixing.results import EmmaResult, MixLikelihood

__all__ = ["EMMA_NEEDS", "end_members", "likely_fractions", "with_excess"]

EMMA_NEEDS = 3
"""Tracers below which an analysis of end members tells nothing."""


def end_members(
    table: pd.DataFrame, asked: MixingOptions, *, rng: np.random.Generator
) -> dict[str, Result]:
    """Ask the mixtures how many end members they have, and whether the sources can be these.

    Parameters
    ----------
    table : DataFrame
        The sample table.
    asked : MixingOptions
        Sources, mixtures and tracers.
    rng : Generator
        Random numbers.

    Returns
    -------
    dict of Result
        ``emma`` (components and ranks); with three tracers or more also ``emma-scores``,
        ``emma-residuals`` (Hooper), ``emma-screening`` (which sources enclose the mixtures) and
        ``emma-archetypes``. With two tracers ``emma`` says why it can tell nothing. Empty where the
        samples do not allow it.
    """
    from headwater.isotopes.mixing.composition import compose
    from headwater.isotopes.mixing.end_member_analysis import emma

    names = list(asked.tracers)
    if len(names) < 2:
        return {}
    table = with_excess(table, names)
    mixed = table[table["water"].isin(asked.mixtures)]
    whole = mixed.dropna(subset=names)
    try:
        found = emma(whole, names, rng=rng)
    except DataError as refusal:
        note = TableResult(pd.DataFrame(), "", cautions=(f"No end-member analysis: {refusal}",))
        return {"emma": note} if len(names) >= EMMA_NEEDS else {}
    plain: EmmaResult = replace(found, fit=None, scores=None)
    if len(names) < EMMA_NEEDS:
        told = TableResult(found.data, "", cautions=found.cautions[:1])
        return {"emma": told}
    lacking = len(mixed) - len(whole)
    words = (f"{lacking} mixtures without every tracer were left out of the end-member analysis.",)
    ends = compose(table[table["water"].isin(asked.sources)], names)
    results: dict[str, Result] = {
        "emma": replace(plain, cautions=(*found.cautions, *(words if lacking else ()))),
        "emma-scores": TableResult(found.scores.reset_index(drop=True), ""),
        "emma-residuals": _residuals(found),
    }
    return results | _screened(whole, found, ends, rng)


def with_excess(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Add the deuterium excess where it is a tracer and no column.

    Parameters
    ----------
    table : DataFrame
        The sample table.
    names : list of str
        Tracers.

    Returns
    -------
    DataFrame
    """
    if "d_excess" in names and "d_excess" not in table:
        return table.assign(d_excess=table["d2H"] - 8.0 * table["d18O"])
    return table


def _residuals(found: Any) -> TableResult:
    fit = found.fit.reset_index(drop=True)
    fit["bias"] = fit["bias"].round(9)  # of centred data it is 0, but for rounding
    fit.attrs["units"] = dict.fromkeys(("bias", "rrmse", "rmse_over_mean"), "%")
    return TableResult(
        fit,
        "Hooper's diagnostics: residuals of the mixtures by rank; a tracer whose residuals "
        "depend on its concentration (p) asks for another end member.",
    )


def _screened(
    whole: pd.DataFrame, found: Any, ends: Composition, rng: np.random.Generator
) -> dict[str, Result]:
    """Ask whether the sources enclose the mixtures, and what extremes the mixtures suggest."""
    from headwater.isotopes.mixing.end_member_analysis import archetypes, mixing_space, screen_hull

    names = list(ends.tracers)
    space, values = mixing_space(whole, names), whole[names].to_numpy(dtype=float)
    # the study's own claim: as many end members as it names
    rank = min(len(ends), len(names)) - 1
    corners, shares = archetypes(space.scores(values, rank), rank + 1, rng=rng)
    extremes = pd.DataFrame(space.restore(corners), columns=names)
    extremes.insert(0, "archetype", [f"A{k}" for k in range(1, rank + 2)])
    extremes["mean_fraction"] = shares.mean(axis=0)
    candidates = pd.DataFrame(ends.mean, index=ends.labels, columns=names)
    hull = screen_hull(space, values, candidates, rank=rank)
    hull.attrs["units"] = {"inside": "1", "distance": "sd"}
    least = min(rank for name, rank in found.ranks.items() if name != "residual structure")
    told = (
        f"Every criterion asks for {least + 1} end members or more; {len(ends)} are named: a "
        "source is missing.",
    )
    return {
        "emma-screening": TableResult(
            hull,
            f"Hull screening in {rank} dimensions: the share of mixtures that each set of sources "
            "encloses, and how far the sources lie from the space of the mixtures.",
            cautions=told if least + 1 > len(ends) else (),
        ),
        "emma-archetypes": TableResult(
            extremes,
            f"Archetypes: the {rank + 1} extreme waters that the mixtures themselves suggest "
            "(Cutler and Breiman 1994).",
        ),
    }


def likely_fractions(
    sources: Composition, rows: pd.DataFrame, asked: MixingOptions
) -> tuple[MixLikelihood, Composition]:
    """Fractions of single samples with end members that are estimated too (MIX).

    Parameters
    ----------
    sources : Composition
        End members; their scatter is how uncertain they are.
    rows : DataFrame
        Mixtures that share them, with ``<tracer>_sd`` as errors.
    asked : MixingOptions
        Tracers.

    Returns
    -------
    tuple of (MixLikelihood, Composition)
        And the samples, in the order of their fractions.

    Raises
    ------
    DataError
        If errors are not stated, there are too many sources, or it does not converge.
    """
    from headwater.isotopes import mix_carrera
    from headwater.isotopes.mixing.composition import compose_each

    names = list(asked.tracers)
    whole = with_excess(rows, names).dropna(subset=names)
    # names of samples may repeat, row numbers do not
    waters = compose_each(whole.drop(columns="sample_id", errors="ignore"), names)
    errors = np.nan_to_num(waters.mean_covariance().diagonal(axis1=1, axis2=2))
    if not (errors > 0.0).all():
        raise DataError(
            "samples have no stated error of measurement",
            found=", ".join(f"no {name}_sd" for name in names),
            do="Add these columns, or read the closed form",
        )
    return mix_carrera(sources, waters), waters
