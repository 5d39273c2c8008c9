"""Words of maps and factors in English and Chinese."""

from __future__ import annotations

__all__ = ["CODES", "GROUPS", "NAMED", "class_of", "lower", "title_of", "word"]

GROUPS: dict[str, tuple[str, str]] = {
    "water": ("Soil water", "土壤水分"),
    "change": ("Change", "变化"),
    "drivers": ("What drives it", "驱动因子"),
    "vegetation": ("Vegetation", "植被"),
    "warning": ("Warning", "预警"),
    "restoration": ("Restoration", "恢复"),
    "climate": ("Climate and cover", "气候与覆被"),
    "terrain": ("Terrain", "地形"),
    "further": ("Further maps", "其他图层"),
}
"""Groups of layers, in the order in which they are listed."""

_WORDS = {
    "soil_moisture": ("Soil moisture", "土壤水分"),
    "precipitation": ("Precipitation", "降水"),
    "temperature": ("Air temperature", "气温"),
    "surface_temperature": ("Surface temperature", "地表温度"),
    "soil_temperature": ("Soil temperature", "土壤温度"),
    "evapotranspiration": ("Evapotranspiration", "蒸散"),
    "ndvi": ("NDVI", "NDVI"),
    "elevation": ("Elevation", "海拔"),
    "slope": ("Slope", "坡度"),
    "aspect": ("Aspect", "坡向"),
    "vegetation": ("Vegetation", "植被类型"),
    "battery_voltage": ("Battery voltage", "电池电压"),
    "soil_water": ("Soil water", "土壤含水量"),
    "soil": ("Soil water", "土壤水"),
    "snow": ("Snow", "雪"),
    "rain": ("Rain", "雨"),
    "groundwater": ("Groundwater", "地下水"),
    "stream": ("Stream", "溪水"),
    "streamflow": ("Streamflow", "河川径流"),
    "spring": ("Spring", "泉水"),
    "lake": ("Lake", "湖水"),
    "river": ("River", "河水"),
    "ground ice": ("Ground ice", "地下冰"),
    "snow melt": ("Snow melt", "融雪"),
    "glacier melt": ("Glacier melt", "冰川融水"),
    "supra permafrost": ("Supra-permafrost water", "冻结层上水"),
}
NAMED = {
    "warning.states.state": ("State of warning", "预警状态"),
    "warning.states.loss": ("Loss of greenness", "绿度损失"),
    "warning.states.water_part": ("Part of the loss that water explains", "水分可解释的损失"),
    "warning.drought.drought_class": ("Drought at the end of the record", "记录末期干旱等级"),
    "warning.drought.percentile": ("Soil water percentile, last pentad", "末候土壤水分百分位"),
    "warning.drought.ssi": ("Standardised soil moisture index", "标准化土壤水分指数"),
    "vegetation.cover": ("Cover at peak season", "盛期植被盖度"),
    "vegetation.grade": ("Grade of degradation", "退化等级"),
    "vegetation.grade.damage": ("Loss of cover", "盖度损失"),
    "vegetation.grade.degraded": ("Probability of degradation", "退化概率"),
    "vegetation.capacity": ("Cover that the water carries", "水分承载盖度"),
    "vegetation.response.share": ("Share of greenness that water explains", "水分解释的绿度比例"),
    "vegetation.response.memory": ("Memory of soil water", "土壤水分记忆时长"),
    "vegetation.season.mean_start": ("Start of the season", "生长季开始日"),
    "vegetation.season.mean_peak": ("Peak of the season", "生长季峰值日"),
    "vegetation.season.mean_end": ("End of the season", "生长季结束日"),
    "vegetation.warm-season.mean_start": ("Start of the warm season", "温暖季开始日"),
    "vegetation.warm-season.mean_end": ("End of the warm season", "温暖季结束日"),
}
"""Maps of vegetation and warning that people ask for, in order; all others are further ones."""
CODES = {
    "state": ("none", "watch", "warning", "confirmed", "restored"),
    "drought_class": ("none", "D0", "D1", "D2", "D3", "D4"),
}
"""Names of classes that are places in a list, where the file does not name them."""
_KINDS = {
    "cv_interannual.cv": ("interannual variability (CV)", "年际变异系数"),
    "cv_monthly.cv": ("seasonal variability (CV)", "季节变异系数"),
    "cv_interannual.mean": ("mean of all years", "多年平均"),
    "season.mean": ("mean growing season", "生长季平均"),
    "season.yearly": ("growing season", "生长季"),
    "trend.slope": ("trend (Sen)", "趋势（Sen）"),
    "trend.ols_slope": ("trend (least squares)", "趋势（最小二乘）"),
    "cv_monthly.mean": ("mean", "平均"),
    "trend.trend_class": ("class of trend", "趋势类别"),
    "trend.change_last": ("last year before the change", "突变前最后一年"),
    "trend.change_shift": ("size of the change", "突变幅度"),
}
_CLASSES = {
    "significantly_falling": ("falling, significant", "显著下降"),
    "falling_not_significant": ("falling, not significant", "下降，不显著"),
    "no_change": ("no change", "无变化"),
    "rising_not_significant": ("rising, not significant", "上升，不显著"),
    "significantly_rising": ("rising, significant", "显著上升"),
    "none": ("none", "无"),
    "light": ("light", "轻度"),
    "moderate": ("moderate", "中度"),
    "heavy": ("heavy", "重度"),
    "severe": ("severe", "极重度"),
    "watch": ("watch", "关注"),
    "warning": ("warning", "预警"),
    "confirmed": ("confirmed", "确认"),
    "restored": ("restored", "已恢复"),
    "D0": ("D0 abnormally dry", "D0 异常偏干"),
    "D1": ("D1 moderate drought", "D1 中度干旱"),
    "D2": ("D2 severe drought", "D2 重度干旱"),
    "D3": ("D3 extreme drought", "D3 极端干旱"),
    "D4": ("D4 exceptional drought", "D4 异常干旱"),
}


def word(name: str) -> tuple[str, str]:
    """Name a quantity or water in both languages.

    Examples
    --------
    >>> word("precipitation")
    ('Precipitation', '降水')
    """
    plain = name.replace("_", " ")
    return _WORDS.get(name) or _WORDS.get(plain) or (plain, plain)


def class_of(name: str) -> tuple[str, str]:
    """Name a class in both languages."""
    return _CLASSES.get(name) or (name.replace("_", " "), name.replace("_", " "))


def title_of(step: str, stem: str, name: str, part: str, long_name: str) -> tuple[str, str]:
    """Name a map in both languages.

    Parameters
    ----------
    step, stem, name : str
        Of the step, the result and its variable.
    part : str
        Which of several maps, such as a year; empty for one alone.
    long_name : str
        What the file itself calls it, for what is not known here.

    Returns
    -------
    tuple of (str, str)

    Examples
    --------
    >>> title_of("variation", "soil_moisture-trend", "slope", "", "")[0]
    'Soil moisture, trend (Sen)'
    """
    english, chinese = _title(step, stem, name, long_name)
    if part:
        own = word(part)
        return f"{english}: {own[0]}", f"{chinese}：{own[1]}"
    return english, chinese


def _title(step: str, stem: str, name: str, long_name: str) -> tuple[str, str]:
    named = NAMED.get(".".join((step, stem) if name == stem else (step, stem, name)))
    if named:
        return named
    quantity, _, kind = stem.partition("-")
    known = _KINDS.get(f"{kind}.{name}")
    if known:
        of = word(quantity)
        return f"{of[0]}, {known[0]}", f"{of[1]}，{known[1]}"
    if step == "correlation" and quantity == "with":
        return _of_factor(kind, "of anomalies" if name == "anomaly_r" else "")
    if step == "detector" and name.endswith(("_mean", "_stratum")):
        return _of_strata(*name.rsplit("_", 1))
    if step == "grids":
        own = word(name)
        return (f"Valid share, {own[0]}", f"{own[1]}有效比例") if stem == "coverage" else own
    return long_name, long_name


def _of_strata(factor: str, what: str) -> tuple[str, str]:
    own = word(factor)
    if what == "mean":
        return f"Mean by stratum of {lower(own[0])}", f"按{own[1]}分层的均值"
    return f"Strata of {lower(own[0])}", f"{own[1]}分层"


def lower(name: str) -> str:
    """Write a name within a sentence; an abbreviation stays as it is.

    Examples
    --------
    >>> lower("Air temperature"), lower("NDVI")
    ('air temperature', 'NDVI')
    """
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]


def _of_factor(factor: str, of: str) -> tuple[str, str]:
    own = word(factor)
    if of:
        return f"Correlation with {lower(own[0])}, {of}", f"与{own[1]}的距平相关"
    return f"Correlation with {lower(own[0])}", f"与{own[1]}的相关"
