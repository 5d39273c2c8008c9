"""What columns of the field are called, in English, Chinese and as data bases write them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["FIELDS", "Field", "FieldKind", "fields_named"]

FieldKind = Literal["number", "time", "clock", "text", "depth", "aspect"]


@dataclass(frozen=True, slots=True)
class Field:
    """A column of known meaning.

    Attributes
    ----------
    name : str
        Ours.
    kind : {"number", "time", "clock", "text", "depth", "aspect"}
        ``depth`` may hold intervals such as 0-20 cm, ``aspect`` degrees or letters, ``clock`` the
        time of day that belongs to a date in another column.
    spellings : str
        What the column may be called, parted by blanks: lower case, letters and digits only, the
        delta sign and the word delta written d.
    unit : str
        That values are brought to; empty for none, or where they stay in the unit of the file.
    valid : tuple of float, optional
        What is possible; a number such as -9999 outside of it stands for a missing value.
    words : tuple of str
        Values that stand for themselves, though elsewhere they mark a missing one, as "none" does.
    """

    name: str
    kind: FieldKind
    spellings: str
    unit: str = ""
    valid: tuple[float, float] | None = None
    words: tuple[str, ...] = ()


_ALL = (
    Field(
        "sample_id",
        "text",
        "sampleid sample id samplename samplecode labid code name identifier1 "
        "编号 样品编号 样品号 样号 样品名称 样品 样品名 实验编号 序号样品",
    ),
    Field(
        "water",
        "text",
        "water type watertype mediatype media sampletype source kind matrix "
        "samplemediatype watersource 水样类型 水体 水体类型 样品类型 类型 水样 "
        "水源 水类型 水样种类 样品种类 水体名称 样品类别",
    ),
    Field(
        "time",
        "time",
        "time date datetime samplingdate sampledate collectiondate samplstrt "
        "beginofperiod samplingtime sampletime collectiontime timestamp "
        "timestamputc dateofsampling datum datetimeutc sampledatetime sampdate "
        "sampldate receivedat 采样时间 采样日期 取样时间 取样日期 日期 时间 "
        "观测时间 观测日期 监测时间 日期时间 fecha dateutc timeutc utc",
    ),
    Field("year", "text", "year yyyy jahr 年 年份"),
    Field("month", "text", "month mon monat 月 月份"),
    Field("day", "text", "day dayofmonth tag 日"),
    Field("day_of_year", "text", "doy dayofyear jday julianday 年积日 儒略日"),
    Field("clock", "clock", "clock timeofday hour hourminute clocktime 时刻 uhrzeit"),
    Field(
        "longitude",
        "number",
        "longitude lon long x longitudee lng xlon 经度 东经 lonwgs84 decimallongitude longitudedd",
        "degree",
        (-360.0, 360.0),
    ),
    Field(
        "latitude",
        "number",
        "latitude lat y latituden ylat 纬度 北纬 latwgs84 decimallatitude latitudedd",
        "degree",
        (-90.0, 90.0),
    ),
    Field(
        "elevation",
        "number",
        "elevation altitude alt elev masl z height elevationmasl elevationasl "
        "elevationdem altitudeasl hohe höhe 海拔 海拔高度 高程 拔海 海拔高",
        "m",
        (-500.0, 9000.0),
    ),
    Field(
        "depth_top",
        "number",
        "depthtop top upperdepth depthfrom mindepth depthupper topdepth depthmin "
        "fromdepth 上限 上限深度 起始深度 上界深度 深度上限 土层上界",
        "m",
        (-10.0, 5000.0),
    ),
    Field(
        "depth_bottom",
        "number",
        "depthbottom bottom lowerdepth depthto maxdepth depthlower bottomdepth "
        "depthmax todepth 下限 下限深度 终止深度 下界深度 深度下限 土层下界",
        "m",
        (-10.0, 5000.0),
    ),
    Field(
        "depth",
        "depth",
        "depth soildepth samplingdepth sampledepth depthinterval layer soillayer "
        "depthmeters sensordepth 深度 土层 土层深度 采样深度 土壤深度 层次 "
        "土壤层次 取样深度",
        "m",
        (-10.0, 5000.0),
    ),
    Field(
        "vegetation",
        "text",
        "vegetation vegetationtype landcover cover plant species 植被 植被类型 植物 植被覆盖类型",
    ),
    Field(
        "aspect",
        "aspect",
        "aspect slopeaspect exposition exposure asp 坡向 坡面方向",
        "degree",
        (0.0, 360.0),
    ),
    Field(
        "d18O",
        "number",
        "d18o d18 o18 18o oxygen18 o18isotope d18ovsmow dexp18o 18ovsmow "
        "d1816mean d1816 dd18o d18osmow d18omean d18oh2o 氧同位素 氧18 "
        "氧稳定同位素 氧同位素值 d18ovsmow2",
        "‰",
        (-90.0, 500.0),
    ),
    Field(
        "d2H",
        "number",
        "d2h h2 2h dd deuterium h2isotope d2hvsmow d1h2 ddhmean ddh ddvsmow "
        "d2hsmow ddmean d2hmean d2hh2o 氢同位素 氘 氢稳定同位素 氢同位素值 "
        "d2hvsmow2 ddvsmow2",
        "‰",
        (-700.0, 3000.0),
    ),
    Field(
        "d18O_sd",
        "number",
        "d18osd sdd18o d18ostd δ18osd d18ostdev d18oerror d18ouncertainty "
        "d18osigma d1816sd sd18o d18oanalyticalsd d18osterr d18o1sd d1816stdev "
        "18osd d18oprecision 氧同位素标准差",
        "‰",
        (0.0, 900.0),
    ),
    Field(
        "d2H_sd",
        "number",
        "d2hsd sdd2h d2hstd d2hstdev d2herror d2huncertainty d2hsigma ddsd ddhsd "
        "sd2h d2hanalyticalsd d2h1sd ddstdev ddstd sddd dderror ddhstdev 2hsd "
        "d2hprecision ddprecision 氢同位素标准差",
        "‰",
        (0.0, 900.0),
    ),
    Field(
        "amount",
        "number",
        "amount precipitation precip rain rainfall p waterflux prec "
        "precipitationamount rainfallamount 降水量 雨量 降雨量 降水",
        "mm",
        (-0.5, 50000.0),
    ),
    Field(
        "replicate",
        "text",
        "replicate rep replicateid parallel run injection injectionnr injnr inj 重复 平行样",
    ),
    Field(
        "station",
        "text",
        "station stationid stationname site siteid sitename thing nameofsite "
        "sitecode stationcode 站点 站名 台站 测站 站号 台站名称 站点名称 观测站 "
        "监测站",
    ),
    Field(
        "soil_moisture",
        "number",
        "soilmoisture sm theta vwc swc soilwatercontent volumetricwatercontent "
        "watercontent vswc soilmoisturevwc mv 土壤湿度 土壤水分 土壤含水量 "
        "土壤体积含水量 体积含水量 土壤含水率 土壤体积含水率 土壤水分含量",
        "m3 m-3",
        (-0.5, 1.5),
    ),
)

FIELDS: dict[str, Field] = {entry.name: entry for entry in _ALL}
"""Columns of samples and stations, by our name."""


def fields_named(names: Iterable[str]) -> tuple[Field, ...]:
    """Look fields up by our names.

    Examples
    --------
    >>> [entry.unit for entry in fields_named(["elevation", "d18O"])]
    ['m', '‰']
    """
    return tuple(FIELDS[name] for name in names)
