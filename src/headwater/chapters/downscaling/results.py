"""What a downscaling finds next to its maps: scores, importance, twins, stations, notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from headwater.chapters.downscaling.store import count_reasons
from headwater.results import MapResult, Result, TableResult, fingerprint

if TYPE_CHECKING:
    import xarray as xr

    from headwater.chapters.downscaling.inputs import Task
    from headwater.chapters.downscaling.options import DownscalingOptions
    from headwater.downscaling.twins import TwinResult
    from headwater.validation.scorecards import Scorecard

__all__ = ["Learnt", "Written", "downscaling_results", "twin_results"]

_REFERENCES = (
    "Zhao et al. (2025). Arid Land Geography, 48(8) (the mode with wavelets).",
    "Kyriakidis, P. C. (2004). A geostatistical framework for area-to-point spatial interpolation. "
    "Geographical Analysis, 36(3), 259-289. https://doi.org/10.1111/j.1538-4632.2004.tb01135.x",
)
_STATIONS = (
    "The product that the stations took no part in was compared with them; the one that was "
    "written has them as points."
)


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What is kept of a model and its residual field.

    Attributes
    ----------
    scores, importance : DataFrame
        As of :class:`headwater.downscaling.training.DownscalingModel`.
    noise : mapping of str to float
        Noise added in training, by predictor [unit of the predictor].
    parameters : mapping of str to float
        Of the residual field's covariance.
    notes : tuple of str
        Of inputs, model and field.
    """

    scores: pd.DataFrame
    importance: pd.DataFrame
    noise: Mapping[str, float]
    parameters: Mapping[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What is known of the product that was written.

    Attributes
    ----------
    maps : Dataset (y, x)
        Of the product, over all days.
    closure : DataFrame
        Its coarse means against the observations.
    card : Scorecard or None
        Of the product that stations took no part in, against them.
    fallback : {"nearest", "bilinear"} or None
        What was written in place of the downscaling.
    """

    maps: xr.Dataset
    closure: pd.DataFrame
    card: Scorecard | None
    fallback: str | None = None


def downscaling_results(
    options: DownscalingOptions,
    task: Task,
    learnt: Learnt,
    twin: TwinResult | None,
    product: Written,
) -> dict[str, Result]:
    """Gather everything as results.

    Parameters
    ----------
    options : DownscalingOptions
        Table ``[downscaling]``.
    task : Task
        What was made finer.
    learnt : Learnt
        Of the model.
    twin : TwinResult or None
        Skill on synthetic truths.
    product : Written
        Maps, closure, and scorecard against stations.

    Returns
    -------
    dict of Result
        By name.
    """
    from headwater.chapters.validation.reference import reading_lines
    from headwater.downscaling.results import Importance, StationScores

    card = product.card
    # a study that moves to another folder is still the same study
    here = options.model_copy(update={"stations": options.stations and Path(options.stations).name})
    key = fingerprint(task.retrieval, repr(here))
    found: dict[str, Result] = {
        "importance": Importance(
            _united(learnt.importance, rise="m3 m-3"),
            "The held-out RMSE rises by this when a predictor is shuffled.",
            fingerprint=key,
        )
    }
    for name, (table, method) in _tables(learnt, product, task.units).items():
        if not table.empty:
            found[name] = TableResult(table, method, fingerprint=key)
    notes = learnt.notes
    if twin is not None:
        found |= twin_results(twin, key)
        notes = (*notes, twin.assumptions, *twin.notes)
    if card is not None:
        found["stations"] = StationScores(
            card.data,
            f"{_STATIONS} {card.method}",
            card.references,
            key,
            (*card.choices, *reading_lines(str(options.stations), options.reading)),
            card.cautions,
        )
    found["maps"] = MapResult(
        product.maps,
        _method(options) if product.fallback is None else _fallback(product.fallback),
        _REFERENCES,
        key,
        _choices(options),
        tuple(dict.fromkeys(notes)),
    )
    return found


def twin_results(twin: TwinResult, key: str) -> dict[str, Result]:
    """Give the skill on synthetic truths, and how intervals were widened by it.

    Parameters
    ----------
    twin : TwinResult
        The twin.
    key : str
        Fingerprint of the inputs.

    Returns
    -------
    dict of Result
        ``twin`` and ``intervals``.
    """
    from headwater.downscaling.results import TwinSkill

    skill = TwinSkill(
        _united(twin.data, rmse="m3 m-3", ubrmse="m3 m-3"),
        "The same pipeline ran on synthetic truths laid over the study's own predictors.",
        fingerprint=key,
        cautions=(twin.assumptions, *twin.notes),
    )
    factors = _united(twin.intervals.factors, sd_low="m3 m-3", sd_high="m3 m-3")
    method = f"Intervals of {twin.intervals.level:.0%} were calibrated on the twins."
    return {"twin": skill, "intervals": TableResult(factors, method, fingerprint=key)}


def _tables(
    learnt: Learnt, product: Written, units: Mapping[str, str]
) -> dict[str, tuple[pd.DataFrame, str]]:
    rows = [(name, sd, units.get(name, "")) for name, sd in learnt.noise.items()]
    noise = pd.DataFrame(rows, columns=["predictor", "sd", "unit"])
    fitted = learnt.parameters
    parameters = pd.DataFrame({"parameter": list(fitted), "value": list(fitted.values())})
    return {
        "scores": (
            _united(learnt.scores, rmse="m3 m-3"),
            "Predictions were compared with the coarse observations, out of bag and out of fold.",
        ),
        "noise": (noise, "Training added this noise to the coarse predictors."),
        "parameters": (
            parameters,
            "The residual field's covariance is that of the out-of-fold residuals.",
        ),
        "closure": (
            product.closure,
            "Coarse means of the product were compared with observations.",
        ),
        "coverage": (
            count_reasons(product.maps),
            "Pixels of the study area were counted by why they have no value.",
        ),
    }


def _united(table: pd.DataFrame, **units: str) -> pd.DataFrame:
    copy = table.copy()
    copy.attrs["units"] = units
    return copy


def _method(options: DownscalingOptions) -> str:
    matched = {
        "matched": "with predictors that err as the fine ones do",
        "none": "with coarse predictors as they are",
    }[options.noise]
    left = {
        "soft": "was spread by an area-to-point Gaussian process that knows the retrieval's noise",
        "exact": "was spread by an area-to-point Gaussian process so that observed cells are met",
        "bilinear": "was spread on straight lines between cells",
        "none": "was left",
    }[options.residual]
    return (
        f"Learners trained at the coarse support, {matched}, were applied to the fine predictors; "
        f"what they left over {left}."
    )


def _fallback(method: str) -> str:
    return (
        "The predictors added nothing, so what was written is the "
        f"{method} interpolation of the coarse product."
    )


def _choices(options: DownscalingOptions) -> tuple[str, ...]:
    mother = f"{options.wavelet}, level {options.level}"
    coupling = {
        "none": "without wavelets",
        "smooth": f"with the slow part ({mother}) of noisy predictors",
        "bands": f"one model per wavelet band ({mother})",
    }[options.coupling]
    return (
        f"Learners: {' and '.join(options.learners)}, {coupling}; noise {options.noise}.",
        f"Held-out folds by {options.folds}.",
        f"No value further than {options.longest_gap} d from an observation.",
    )
