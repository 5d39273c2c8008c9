"""What drives a place, in sentences with numbers: from the study's own results, nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.alerts.events import list_alerts
from headwater.network.inventory import list_series
from headwater.network.store.protocol import Store
from headwater.network.times import iso
from headwater.warning.standardised import DROUGHT_CLASSES, day_of_year, drought_class
from headwater.web.platform.layers import Layer, correlations, read_map
from headwater.web.platform.series import Climatology, Place, Series
from headwater.web.platform.studies import Study
from headwater.web.platform.wording import CODES, class_of, lower, word

__all__ = [
    "Sentence",
    "alerts_near",
    "band_of",
    "distance",
    "explain",
    "forecast_of",
    "vegetation_sentences",
]

_NEAR = 100.0
"""As far as a station's alert says something of a place [km]."""
_MOST = 3
_EARTH = 6371.0
Said = tuple[str, tuple[str, str], str]
_GRADES = ("none", "light", "moderate", "heavy", "severe")

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


def distance(longitude: float, latitude: float, other: tuple[float, float]) -> float:
    """Give the distance on the ground [km].

    Examples
    --------
    >>> round(distance(100.0, 38.0, (100.0, 39.0)), 1)
    111.2
    """
    (x, y), (x2, y2) = np.radians([(longitude, latitude), other])
    half = np.sin((y2 - y) / 2) ** 2 + np.cos(y) * np.cos(y2) * np.sin((x2 - x) / 2) ** 2
    return float(2 * _EARTH * np.arcsin(np.sqrt(half)))


def alerts_near(store: Store, longitude: float, latitude: float) -> list[Sentence]:
    """Say which alerts are open near a place, the nearest first.

    Parameters
    ----------
    store : Store
    longitude, latitude : float
        [degrees]

    Returns
    -------
    list of Sentence
        At most three.
    """
    with store.transaction(read_only=True) as session:
        streams = {str(one.id): one for one in list_series(session, derived=True)}
    found = []
    for alert in list_alerts(store, open_only=True, most=500):
        stream = streams.get(alert.target)
        if stream is None or not np.isfinite(stream.longitude):
            continue
        far = distance(longitude, latitude, (stream.longitude, stream.latitude))
        if far <= _NEAR:
            found.append((far, alert.headline, iso(alert.raised)[:16].replace("T", " ")))
    return [
        Sentence(
            "alert",
            (
                f"Open alert {far:.0f} km away: {headline} (since {since} UTC).",
                f"{far:.0f} km 处有未解除预警：{headline}（{since} UTC 起）。",
            ),
            "alerts",
        )
        for far, headline, since in sorted(found)[:_MOST]
    ]


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
