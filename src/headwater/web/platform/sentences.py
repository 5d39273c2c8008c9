"""What drives a place, in sentences with numbers: from the study's own results, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headwater.warning.standardised import DROUGHT_CLASSES, day_of_year, drought_class
from headwater.web.platform.layers import Layer, correlations, read_map
from headwater.web.platform.sentences_vegetation import vegetation_sentences
from headwater.web.platform.series import Climatology, Place, Series
from headwater.web.platform.studies import Study
from headwater.web.platform.wording import lower, word

__all__ = ["Sentence", "band_of", "explain"]

_FEWEST = 20
"""Values around a day of the year that rank it, as on the maps of percentiles."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing that is known of a place.

    Attributes
    ----------
    kind : str
        "now", "usual", "trend", "driver", "pattern", "sources", "warning", "vegetation" or "alert".
    text : tuple of str
        In English and Chinese.
    source : str
        Result of the study that it is from.
    """

    kind: str
    text: tuple[str, str]
    source: str


def explain(
    study: Study, place: Place, series: Series | None, usual: Climatology | None, at: int
) -> list[Sentence]:
    """Say of a place what is known: now, usually, its trend, its drivers, its waters.

    Parameters
    ----------
    study : Study
    place : Place
    series : Series or None
        Of soil moisture; None where the study has no daily cube.
    usual : Climatology or None
    at : int
        Which time of the series is now.

    Returns
    -------
    list of Sentence
        What the study did not compute is left out.
    """
    found: list[Sentence] = []
    if series is not None and usual is not None:
        found += _now(series, usual, at)
        found += _usual(series)
    found += _trend(study, place)
    found += _drivers(study, place)
    found += _pattern(study)
    found += _sources(study, place)
    found += [Sentence(*said) for said in vegetation_sentences(study, place)]
    return found


def _now(series: Series, usual: Climatology, at: int) -> Iterator[Sentence]:
    value, day = series.value[at], int(day_of_year(series.time[at : at + 1])[0])
    date = str(series.time[at])[:10]
    if not np.isfinite(value):
        yield Sentence("now", (f"No value on {date}.", f"{date} 无数值。"), "grids/soil_moisture")
        return
    apart = np.abs(day_of_year(series.time) - day)
    near = (np.minimum(apart, 365 - apart) <= 15) & np.isfinite(series.value)
    n = int(near.sum())
    if n < _FEWEST:
        yield Sentence("now", _too_few(date, float(value), n), "grids/soil_moisture")
        return
    sample = series.value[near]
    rank = float((sample < value).sum() + ((sample == value).sum() + 1) / 2)
    percentile = 100 * rank / (n + 1)
    low, high = usual.low[day], usual.high[day]
    kind = DROUGHT_CLASSES[int(drought_class([percentile])[0])]
    dry = "" if kind == "none" else f"; drought class {kind}"
    dry_zh = "" if kind == "none" else f"，干旱等级 {kind}"
    english = (
        f"On {date} the soil held {value:.3f} m³ m⁻³: percentile {percentile:.0f} of the {n} values"
        f" within 15 days of that day in all years{dry}."
    )
    chinese = (
        f"{date} 土壤水分为 {value:.3f} m³ m⁻³，在历年同期（±15 天）{n} 个值中"
        f"位于第 {percentile:.0f} 百分位{dry_zh}。"
    )
    if np.isfinite(low):
        english += f" Usual then (10th to 90th percentile): {low:.3f} to {high:.3f}."
        chinese += f"同期常见范围（第 10–90 百分位）：{low:.3f}–{high:.3f}。"
    yield Sentence("now", (english, chinese), "grids/soil_moisture")


def _too_few(date: str, value: float, n: int) -> tuple[str, str]:
    english = (
        f"On {date} the soil held {value:.3f} m³ m⁻³; {n} values within 15 days of that day in"
    )
    chinese = f"{date} 土壤水分为 {value:.3f} m³ m⁻³；历年同期（±15 天）只有 {n} 个值，"
    return f"{english} all years are too few to rank it ({_FEWEST} are needed).", (
        f"{chinese}不足以排序（至少需要 {_FEWEST} 个）。"
    )


def _usual(series: Series) -> Iterator[Sentence]:
    months = pd.Series(series.value, index=pd.DatetimeIndex(series.time))
    mean = months.groupby(months.index.month).mean().dropna()  # type: ignore[attr-defined]
    if len(mean) < 12:
        return
    dry, wet = 1 + int(mean.to_numpy().argmin()), 1 + int(mean.to_numpy().argmax())
    names = pd.date_range("2001-01-01", periods=12, freq="MS").month_name()
    n = int(np.isfinite(series.value).sum())
    english = (
        f"The driest month is {names[dry - 1]} ({mean[dry]:.3f}), the wettest {names[wet - 1]}"
        f" ({mean[wet]:.3f} m³ m⁻³); n = {n} values."
    )
    chinese = (
        f"最干月份为 {dry} 月（{mean[dry]:.3f}），最湿为 {wet} 月（{mean[wet]:.3f} m³ m⁻³）；"
        f"n = {n} 个值。"
    )
    yield Sentence("usual", (english, chinese), "grids/soil_moisture")


def _mean_of(layer: Layer, place: Place, variable: str = "") -> float:
    values = read_map(replace(layer, variable=variable) if variable else layer)
    held = np.asarray(values[place.rows, place.columns], dtype=float)
    known = np.isfinite(held)
    if not known.any():
        return float("nan")
    return float(held[known] @ place.weights[known] / place.weights[known].sum())


def _trend(study: Study, place: Place) -> Iterator[Sentence]:
    layer = study.layers.get("variation.soil_moisture-trend.slope")
    if layer is None:
        return
    slope = _mean_of(layer, place)
    if not np.isfinite(slope):
        return
    share = _mean_of(layer, place, layer.mask) if layer.mask else float("nan")
    if place.size == 1:
        p, low, high = (_mean_of(layer, place, name) for name in ("p", "slope_low", "slope_high"))
        sure = "significant" if share > 0.5 else "not significant"
        sure_zh = "显著" if share > 0.5 else "不显著"
        english = f"p = {p:.2g}; with the whole map's false discoveries held at 5 %: {sure}"
        chinese = f"p = {p:.2g}；按全图 5% 错误发现率：{sure_zh}"
        if np.isfinite(low):
            english = f"95 % from {10 * low:+.4f} to {10 * high:+.4f}; {english}"
            chinese = f"95% 区间 {10 * low:+.4f} 至 {10 * high:+.4f}；{chinese}"
    else:
        english = f"significant in {share:.0%} of {place.size} cells"
        chinese = f"{place.size} 个格点中 {share:.0%} 显著"
    text = (
        f"Trend (Sen's slope of years): {10 * slope:+.4f} m³ m⁻³ per decade ({english}).",
        f"趋势（逐年 Sen 斜率）：每十年 {10 * slope:+.4f} m³ m⁻³（{chinese}）。",
    )
    yield Sentence("trend", text, "variation/soil_moisture-trend")


def _drivers(study: Study, place: Place) -> Iterator[Sentence]:
    parts: list[tuple[float, str, str]] = []
    for layer in correlations(tuple(study.layers.values())):
        r = _mean_of(layer, place)
        if np.isfinite(r):
            sure = _mean_of(layer, place, layer.mask) if layer.mask else 0.0
            names = word(layer.path.stem.removeprefix("with-"))
            star, star_zh = ("", "") if sure > 0.5 else (" (not significant)", "（不显著）")
            parts.append(
                (r, f"{lower(names[0])} r = {r:+.2f}{star}", f"{names[1]} r = {r:+.2f}{star_zh}")
            )
    if not parts:
        return
    parts.sort(key=lambda part: -abs(part[0]))
    text = (
        "Departures from the usual go with: " + ", ".join(part[1] for part in parts) + ".",
        "距平的相关：" + "，".join(part[2] for part in parts) + "。",
    )
    yield Sentence("driver", text, "correlation")


def _table(path: Path) -> pd.DataFrame | None:
    try:
        found = pd.read_csv(path)
    except (OSError, ValueError):
        return None
    return found if len(found) else None


def _pattern(study: Study) -> Iterator[Sentence]:
    factors = _table(study.results / "detector" / "factor.csv")
    if factors is None or not {"factor", "q", "p_spatial"} <= set(factors):
        return
    factors = factors.sort_values("q", ascending=False)
    first, then = factors.iloc[0], _next_factors(factors.iloc[1:4])
    names, q, p = word(str(first["factor"])), float(first["q"]), float(first["p_spatial"])
    chance = float(first.get("q_chance", np.nan))
    sure = "" if p <= 0.05 else ", which chance alone could give"
    sure_zh = "" if p <= 0.05 else "，不能排除偶然"
    within = f", by chance up to {chance:.2f}" if np.isfinite(chance) else ""
    text = (
        f"Over the whole area the pattern follows {lower(names[0])} most: q = {q:.2f}"
        f"{within} (p = {p:.2g} against fields of the same smoothness{sure};"
        f" n = {int(first['n'])}){then[0]}.",
        f"全区空间格局与{names[1]}最一致：q = {q:.2f}（同等空间平滑度下 p = {p:.2g}{sure_zh}；"
        f"n = {int(first['n'])}）{then[1]}。",
    )
    yield Sentence("pattern", text, "detector/factor")


def _next_factors(factors: pd.DataFrame) -> tuple[str, str]:
    if not len(factors):
        return "", ""
    parts = [(word(str(one["factor"])), float(one["q"])) for one in factors.to_dict("records")]
    english = ", ".join(f"{lower(names[0])} {q:.2f}" for names, q in parts)
    return f"; then {english}", "；其次 " + "，".join(f"{names[1]} {q:.2f}" for names, q in parts)


def band_of(label: str) -> tuple[float, float] | None:
    """Read the edges of a band of elevation from its name [m].

    Examples
    --------
    >>> band_of("3000–3500 m")
    (3000.0, 3500.0)
    """
    found = re.findall(r"\d+(?:\.\d+)?", label.replace(",", ""))
    return (float(found[0]), float(found[1])) if len(found) >= 2 else None


def _sources(study: Study, place: Place) -> Iterator[Sentence]:
    table = _table(study.results / "samples" / "mixing.csv")
    grid = study.grid
    if table is None or grid is None or grid.elevation is None:
        return
    z = float(np.nanmean(grid.elevation[place.rows, place.columns]))
    bands = table[table["grouping"] == "altitude_band"]
    for label, rows in bands.groupby("label"):
        edges = band_of(str(label))
        if edges is None or not edges[0] <= z < edges[1]:
            continue
        for period, part in rows.groupby("period", sort=False):
            yield _source(str(label), str(period), z, part)


def _source(label: str, period: str, z: float, part: Any) -> Sentence:
    parts, parts_zh = [], []
    for row in part.to_dict("records"):
        names = word(str(row["source"]))
        share = f"{100 * row['median']:.0f} % ({100 * row['low']:.0f}–{100 * row['high']:.0f})"
        parts.append(f"{lower(names[0])} {share}")
        parts_zh.append(f"{names[1]} {share}")
    n = int(part["n"].iloc[0])
    text = (
        f"At {z:.0f} m the soil water of {period} came from {', '.join(parts)}; {label}, n = {n}.",
        f"海拔 {z:.0f} m，{period}：{'，'.join(parts_zh)}；{label}，n = {n}。",
    )
    return Sentence("sources", text, "samples/mixing")
