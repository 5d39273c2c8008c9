"""What is known of the vegetation of a place, in sentences with numbers, and what is forecast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.web.platform.layers import read_map
from headwater.web.platform.series import Place
from headwater.web.platform.studies import Study
from headwater.web.platform.wording import CODES, class_of

__all__ = ["forecast_of", "vegetation_sentences"]

Said = tuple[str, tuple[str, str], str]
_GRADES = ("none", "light", "moderate", "heavy", "severe")


def vegetation_sentences(study: Study, place: Place) -> Iterator[Said]:
    """Say how the vegetation of a place stands.

    Parameters
    ----------
    study : Study
    place : Place

    Yields
    ------
    tuple of (kind, (English, Chinese), source)
    """
    for layer, name, write in (
        ("warning.states.state", "warning/states", _warning),
        ("vegetation.grade", "vegetation/grade", _grade),
        ("vegetation.capacity", "vegetation/capacity", _capacity),
        ("vegetation.response.share", "vegetation/response", _response),
    ):
        if layer in study.layers:
            text = write(_reader(study, layer, place), place)
            if text is not None:
                yield name.partition("/")[0], text, name


def _reader(study: Study, layer: str, place: Place) -> Callable[[str], NDArray[np.float64]]:
    def read(variable: str) -> NDArray[np.float64]:
        try:
            values = read_map(replace(study.layers[layer], variable=variable))
        except KeyError:
            return np.full(place.size, np.nan)
        return np.asarray(values[place.rows, place.columns], dtype=np.float64)

    return read


def _mean(values: NDArray[np.float64], place: Place) -> float:
    known = np.isfinite(values)
    if not known.any():
        return float("nan")
    return float(values[known] @ place.weights[known] / place.weights[known].sum())


def _shares(codes: NDArray[np.float64], names: tuple[str, ...], place: Place) -> list[Any]:
    """List the classes of a place with their shares, the largest first."""
    found = [(float(place.weights[codes == k].sum()), name) for k, name in enumerate(names)]
    return sorted((one for one in found if one[0] > 0), reverse=True)


def _classed(parts: list[Any], place: Place) -> tuple[str, str]:
    words = [(class_of(name), share) for share, name in parts]
    if place.size == 1:
        return words[0][0]
    english = ", ".join(f"{names[0]} {share:.0%}" for names, share in words)
    return english, "，".join(f"{names[1]} {share:.0%}" for names, share in words)


def _warning(read: Callable[[str], NDArray[np.float64]], place: Place) -> tuple[str, str] | None:
    parts = _shares(read("state"), CODES["state"], place)
    if not parts:
        return None
    words = _classed(parts, place)
    english, chinese = f"Early warning of vegetation: {words[0]}", f"植被预警状态：{words[1]}"
    first = read("first_watch")
    if np.isfinite(first).any():
        day = str(np.datetime64(int(np.nanmin(first)), "D"))
        english, chinese = f"{english}; first watch {day}", f"{chinese}；首次关注 {day}"
    loss, water = _mean(read("loss"), place), _mean(read("water_part"), place)
    if np.isfinite(loss):
        english += (
            f"; NDVI {loss:+.3f} from what season and soil water let expect in the last season,"
            f" {water:+.3f} of it by water"
        )
        chinese += f"；末季 NDVI 偏离预期 {loss:+.3f}，其中水分解释 {water:+.3f}"
    return f"{english}.", f"{chinese}。"


def _grade(read: Callable[[str], NDArray[np.float64]], place: Place) -> tuple[str, str] | None:
    parts = _shares(read("grade"), _GRADES, place)
    if not parts:
        return None
    words = _classed(parts, place)
    low, mid, high = (_mean(read(f"damage{end}"), place) for end in ("_low", "", "_high"))
    sure = _mean(read("degraded"), place)
    english, chinese = f"Degradation: {words[0]}", f"退化等级：{words[1]}"
    if np.isfinite(mid):
        english += f"; cover lost {mid:.0f} % ({low:.0f} to {high:.0f})"
        chinese += f"；盖度损失 {mid:.0f}%（{low:.0f} 至 {high:.0f}）"
    if np.isfinite(sure):
        english += f", probability of any degradation {sure:.2f}"
        chinese += f"，退化概率 {sure:.2f}"
    return f"{english}.", f"{chinese}。"


def _capacity(read: Callable[[str], NDArray[np.float64]], place: Place) -> tuple[str, str] | None:
    most, low, high = (_mean(read(name), place) for name in ("capacity", "low", "high"))
    now = _mean(read("present"), place)
    if not np.isfinite(most):
        return None
    return (
        f"The water carries a cover of {most:.0%} ({low:.0%} to {high:.0%}) at full season;"
        f" {now:.0%} stands there.",
        f"水分可承载盛期盖度 {most:.0%}（{low:.0%} 至 {high:.0%}），现状 {now:.0%}。",
    )


def _response(read: Callable[[str], NDArray[np.float64]], place: Place) -> tuple[str, str] | None:
    share, memory = _mean(read("share"), place), _mean(read("memory"), place)
    low, high = _mean(read("share_low"), place), _mean(read("share_high"), place)
    if not np.isfinite(share):
        return None
    english = f"Soil water explains {share:.0%} ({low:.0%} to {high:.0%}) of greenness departures"
    chinese = f"土壤水分解释绿度距平的 {share:.0%}（{low:.0%} 至 {high:.0%}）"
    if np.isfinite(memory):
        english += f", with a memory of {memory:.0f} days"
        chinese += f"，记忆时长 {memory:.0f} 天"
    return f"{english}.", f"{chinese}。"


def forecast_of(study: Study, elevation: float) -> dict[str, Any] | None:
    """Give the forecast of the band of elevation that a place lies in.

    Parameters
    ----------
    study : Study
    elevation : float
        [m]

    Returns
    -------
    dict or None
        ``band`` and, by quantity, the quantiles 0.05 to 0.95 by date with what is normal and the
        skill; None where the study has no forecast for this elevation.
    """
    try:
        table = pd.read_csv(study.results / "vegetation" / "forecast.csv")
    except (OSError, ValueError):
        return None
    for zone, rows in table.groupby("zone", sort=False):
        edges = [float(one) for one in str(zone).replace("m", "").split("–") if one.strip()]
        if len(edges) == 2 and edges[0] <= elevation < edges[1]:
            names = [
                "date",
                "low",
                "lower",
                "median",
                "upper",
                "high",
                "normal",
                "observed",
                "skill",
            ]
            names += [one for one in ("skill_low", "skill_high", "years") if one in rows]
            return {
                "band": str(zone),
                "of": {
                    str(quantity): part[names]
                    .astype(object)
                    .where(part[names].notna(), None)
                    .to_dict("list")
                    for quantity, part in rows.groupby("quantity", sort=False)
                },
            }
    return None
