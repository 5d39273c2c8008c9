"""Study files to begin with: one for each kind of study, and one with every key explained."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from headwater.errors import StudyError, nearest
from headwater.study.model import AreaTable, GridTable, InputTable, Study, StudyTable
from headwater.study.options import ReportOptions
from headwater.study.results_io import write_whole

__all__ = [
    "LAYOUTS",
    "data_of",
    "default_text",
    "keys_of",
    "layout_text",
    "template",
    "write_layout",
    "write_template",
]

_HEAD = """\
# A study of Headwater. Paths are relative to this file; an unknown key is an error.
#   headwater check   reports every problem of this file and its inputs at once
#   headwater run     computes, goes on after a crash, and draws the report
# A line that starts with "# key = …" shows a key's default, or an example of it.
"""
_REPORT = "How the report and its figures look; none of it changes a result."
_SETTINGS = """\
# How the study is computed; none of it changes a result. The environment (HEADWATER_WORKERS and
# so on) and the command line win over this table.
# [settings]
# threads = 2         # threads that compute at once
# workers = 0         # processes of this machine that compute in place of threads
# scheduler = ""      # address of a Dask scheduler whose workers compute
# chunk_mb = 16.0     # size of one block of a grid in memory [MB]
# dpi = 150           # resolution of PNG figures [dots per inch]
# log_level = "INFO"  # least severe message that the log file keeps
"""
_INPUTS = """\
# One table for each quantity. Its name is one of the glossary (soil_moisture, precipitation,
# temperature, evapotranspiration, ndvi, lai, elevation, slope, aspect, vegetation, soil_class, …),
# or a name of your own with quantity = "…", or with units and long_name a quantity of your own.
# The first input is the target of the study. Slope and aspect come from elevation when not given.
"""
_MORE_INPUTS = """\
[inputs.precipitation]
path = "data/precipitation.zarr"

[inputs.temperature]
path = "data/temperature.nc"

[inputs.elevation]
path = "data/dem.tif"
units = "m"               # a GeoTIFF seldom says its unit
"""
_DOWNSCALING = (
    "Coarse soil moisture made finer from the other inputs, with its error. Without the table: not "
    "computed. With it, the other steps use the finer soil moisture."
)
_VALIDATION = (
    "The soil moisture of the study compared with measurements and other products. Without the "
    "table: not computed."
)
_STEPS = {
    "variation": "How each quantity changes in time and space. Without the table: not computed.",
    "correlation": "With what the target varies. Without the table: not computed.",
    "detector": "What drives the target's pattern (geographical detector). Likewise.",
}
_VEGETATION = (
    "What soil water lets grow, and where it is degrading: needs [inputs.ndvi]. Without the table: "
    "not computed."
)
_WARNING = (
    "Early warning: drought, and greenness that falls short of what season and soil water let "
    "expect, with a set rate of false alarms. Without the table: not computed."
)
_SAMPLES = (
    "Where the water came from: isotopes of water samples. Without the table: not computed. A "
    "study may have samples alone, without inputs."
)
_RESTORATION = (
    "When, where and how degraded ground is restored, from management units with grades. Without "
    "the table: not computed."
)
# Written without "#": what nobody can do without. In other places an example beats no default.
_FILLED = {
    "name": '"Soil moisture of my mountains"',
    "path": '"data/soil_moisture_*.nc"',
}
_EXAMPLES = {
    "study.crs": '"EPSG:4326"',
    "study.period": '["2017-01-01", "2021-12-31"]',
    "area.path": '"area.geojson"',
    "area.encoding": '"GBK"',
    "area.where": '{ name = "My mountains" }',
    "area.bbox": "[94.9, 36.4, 103.2, 40.0]",
    "area.crs": '"EPSG:4326"',
    "grid.like": '"soil_moisture"',
    "grid.resolution": "0.05",
    "grid.crs": '"EPSG:4326"',
    "inputs.classes": '{ "1" = "desert", "2" = "meadow" }',
    "inputs.product": '"smap-l3-am"',
    "inputs.variable": '"sm"',
    "inputs.units": '"m3 m-3"',
    "inputs.crs": '"EPSG:4326"',
    "inputs.layer_depth": "0.1",
    "inputs.time": '"%Y%m%d"',
    "inputs.stamp": '"end"',
    "inputs.missing": "[-9999]",
    "inputs.valid": "[0, 10000]",
    "inputs.scale": "0.0001",
    "inputs.offset": "0",
    "inputs.reading": '{ dates = "dmy", zone = "Asia/Shanghai" }',
    "inputs.align": '"mean"',
    "inputs.georeference": '{ path = "latlon.nc", x = "xc", y = "yc" }',
    "inputs.quantity": '"soil_moisture"',
    "inputs.long_name": '"Soil moisture, 0-10 cm"',
    "downscaling.predictors": '["precipitation", "temperature", "elevation", "slope"]',
    "downscaling.noisy": '["temperature"]',
    "downscaling.stations": '"data/stations.csv"',
    "downscaling.station_depth": "[0.0, 0.1]",
    "downscaling.product_bias": "[-0.02, 0.02]",
    "downscaling.product_gain": "[0.8, 1.0]",
    "downscaling.unseen_sd": "0.02",
    "downscaling.water": '"water_share"',
    "validation.reference": '"data/stations.csv"',
    "validation.products": '{ gldas = "data/gldas.nc" }',
    "validation.correlated": '[["product", "gldas"]]',
    "validation.depth": "[0.0, 0.1]",
    "validation.overpass": "[6.0]",
    "validation.scaling": '"mean_std"',
    "validation.strata": '"land_cover"',
    "variation.of": '["soil_moisture", "precipitation"]',
    "variation.rain": '"precipitation"',
    "correlation.of": '"soil_moisture"',
    "correlation.with": '["precipitation", "temperature"]',
    "correlation.months": "[5, 6, 7, 8, 9, 10]",
    "detector.response": '"soil_moisture"',
    "detector.factors": '["precipitation", "temperature", "elevation"]',
    "warning.of": '"ndvi"',
    "warning.water": '"soil_moisture"',
    "warning.demand": '"potential_evapotranspiration"',
    "warning.watch_from": '"2020-01-01"',
    "samples.path": '"data/samples.csv"',
    "samples.columns": '{ d18O = "18O, per mil" }',
    "samples.waters": '{ "Soil 30 cm" = "soil" }',
    "samples.water": '"soil"',
    "samples.unit": '"permil"',
    "samples.sheet": '"Sheet1"',
    "downscaling.reading": '{ zone = "Asia/Shanghai" }',
    "validation.reading": '{ zone = "Asia/Shanghai" }',
    "samples.reading": '{ dates = "dmy", decimal = "," }',
    "samples.altitude": "[3000, 3500, 4000, 4500, 5100]",
    "samples.depth": "[0, 0.2, 0.4, 0.6, 0.8]",
    "samples.of": '["soil"]',
    "samples.groups": '["layer", "altitude_band", "vegetation", "aspect_sector"]',
    "samples.mixing": '{ sources = ["precipitation", "ground_ice", "snow_melt"] }',
    "report.dpi": "300",
    "report.font": '"Arial"',
    "report.truth": '"data"',
    "restoration.units": '"data/units.gpkg"',
    "restoration.crs": '"EPSG:4326"',
    "restoration.encoding": '"GBK"',
    "restoration.measures": '"measures.yaml"',
    "restoration.year": "2027",
    "restoration.thaw": '"soil_temperature"',
    "restoration.rain": '"precipitation"',
    "warning.rain": '"precipitation"',
    "restoration.germination": "0.08",
    "restoration.bands": "[3000, 3500, 4000, 4500]",
    "restoration.durations": "{ revegetation = 14 }",
    "restoration.curve_number": "80",
    "restoration.seed_rate": '{ "3000-3500" = 20 }',
    "restoration.sowing_date": '{ "3000-3500" = "05-15" }',
    "restoration.fertiliser_rate": '{ "3000-3500" = 60 }',
    "restoration.fencing_years": '{ "3000-3500" = 5 }',
    "restoration.infiltration": "5.0",
    "restoration.language": '"zh"',
    "vegetation.ndvi": '"ndvi"',
    "vegetation.water": '"soil_moisture"',
    "vegetation.demand": '"potential_evapotranspiration"',
    "vegetation.types": '"vegetation"',
    "vegetation.end_values": '{ "0" = [0.08, 0.82] }',
    "vegetation.peak_months": "[7, 8]",
    "vegetation.months": "[6, 7, 8, 9]",
    "vegetation.baseline": "[2001, 2010]",
    "vegetation.recent": "[2019, 2021]",
    "vegetation.field_plot": '"plots"',
    "vegetation.forecast_from": '"2021-07-01"',
    "detector.strata": '{ elevation = { method = "natural", count = 6 } }',
}
LAYOUTS = ("qilian", "three-rivers", "network", "samples", "downscaling", "warning")


def keys_of(table: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """List the keys of a table as the study file spells them.

    Parameters
    ----------
    table : type
        A table of the study file.

    Yields
    ------
    tuple of (str, FieldInfo)
    """
    for name, field in table.model_fields.items():
        yield field.alias or name, field


def default_text(field: FieldInfo) -> str:
    """Say a key's default as the reference does.

    Parameters
    ----------
    field : FieldInfo
        Of a table of the study file.

    Returns
    -------
    str
        Markdown: TOML in backquotes, "required", or a dash where there is none.
    """
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "–" if value is None else f"`{_as_toml(value)}`"


def template() -> str:
    """Compose a study file in which every key stands with its meaning.

    Returns
    -------
    str
        TOML that is valid as it stands, with files to fill in.
    """
    parts = [
        _HEAD,
        _table("study", StudyTable),
        "# The study area. Without this table: the whole grid.\n"
        + _table("area", AreaTable, commented=True),
        "# The study grid, onto which every input is aligned.\n" + _table("grid", GridTable),
        _INPUTS + _table("inputs", InputTable, heading="inputs.soil_moisture"),
        _MORE_INPUTS,
        _introduced("downscaling", _DOWNSCALING),
        _introduced("validation", _VALIDATION),
        *(f"# {meaning}\n" + _table(name, _options(name)) for name, meaning in _STEPS.items()),
        _introduced("vegetation", _VEGETATION),
        _introduced("warning", _WARNING),
        _introduced("samples", _SAMPLES),
        _introduced("restoration", _RESTORATION),
        f"# {_REPORT}\n" + _table("report", ReportOptions, commented=True),
        _SETTINGS,
    ]
    return "\n".join(parts)


def write_template(path: Path, *, force: bool = False) -> None:
    """Write the template.

    Parameters
    ----------
    path : Path
        Where to.
    force : bool
        Overwrite an existing file.

    Raises
    ------
    StudyError
        If the file exists and `force` is not given, or cannot be written.
    """
    if path.exists() and not force:
        raise StudyError(
            "the file exists already", found=str(path), do="Choose another name, or add --force"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda to: to.write_text(template(), encoding="utf-8"))
    except OSError as error:
        raise StudyError(
            "the study file cannot be written", found=str(error), do="Choose another place"
        ) from error


def _options(step: str) -> type[BaseModel]:
    choices = get_args(Study.model_fields[step].annotation)
    return next(kind for kind in choices if isinstance(kind, type) and issubclass(kind, BaseModel))


def _introduced(name: str, words: str) -> str:
    """Comment out the table of a chapter, under a paragraph on what it is for."""
    paragraph = textwrap.wrap(words, 92, initial_indent="# ", subsequent_indent="# ")
    return "\n".join(paragraph) + "\n" + _table(name, _options(name), commented=True)


def _table(name: str, table: type[BaseModel], *, heading: str = "", commented: bool = False) -> str:
    mark = "# " if commented else ""
    lines = [f"{mark}[{heading or name}]"]
    for key, field in keys_of(table):
        lines += textwrap.wrap(
            field.description or "", 92, initial_indent="# ", subsequent_indent="# "
        )
        filled = not commented and field.is_required()
        value = _FILLED[key] if filled else _EXAMPLES.get(f"{name}.{key}") or _toml(field)
        lines.append(f"{'' if filled else '# '}{key} = {value}")
    return "\n".join(lines) + "\n"


def _toml(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True) if not field.is_required() else None
    return _as_toml(value)


def _as_toml(value: object) -> str:
    if isinstance(value, BaseModel):
        value = {
            key: item for key, item in value.model_dump(by_alias=True).items() if item is not None
        }
    if isinstance(value, dict):
        pairs = ", ".join(f"{key} = {_as_toml(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_as_toml(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


"""Names of the layouts: the two source studies, and one for each other kind of study."""


_PATH = re.compile(r'^\s*(?:#\s*)?\w+ = "(data/[^"]+)"\s*(?:# (.*))?$', re.MULTILINE)


def layout_text(name: str) -> str:
    """Read the study file of a layout.

    Parameters
    ----------
    name : str
        One of :data:`LAYOUTS`.

    Returns
    -------
    str
        TOML with comments.

    Raises
    ------
    StudyError
        If there is no such layout.

    Examples
    --------
    >>> "[samples]" in layout_text("three-rivers")
    True
    """
    if name not in LAYOUTS:
        raise StudyError("no such template", found=f"'{name}'", do=nearest(name, list(LAYOUTS)))
    return files("headwater.study").joinpath(f"templates/{name}.toml").read_text(encoding="utf-8")


def data_of(text: str) -> dict[str, str]:
    """List the files that a study file of a layout expects.

    Parameters
    ----------
    text : str
        From :func:`layout_text`.

    Returns
    -------
    dict of str to str
        What each is, by its path.

    Examples
    --------
    >>> data_of('path = "data/dem.tif"   # elevation')
    {'data/dem.tif': 'elevation'}
    """
    found: dict[str, str] = {}
    for path, what in _PATH.findall(text):
        found[path] = found.get(path) or what
    return found


def write_layout(folder: Path, name: str, *, force: bool = False) -> dict[str, str]:
    """Write a study file, and a folder for its data with a note of what belongs there.

    Parameters
    ----------
    folder : Path
        Where to; made when it is not there.
    name : str
        One of :data:`LAYOUTS`.
    force : bool
        Overwrite a study file that is there.

    Returns
    -------
    dict of str to str
        What to put where.

    Raises
    ------
    StudyError
        If there is no such layout, a study file is there already, or the folder cannot be written.
    """
    text = layout_text(name)
    study, data = folder / "study.toml", data_of(text)
    if study.exists() and not force:
        raise StudyError(
            "the file exists already", found=str(study), do="Choose another name, or add --force"
        )
    note = "\n".join(["Put here:", "", *(f"- {path}: {what}" for path, what in data.items())])
    try:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        write_whole(study, lambda to: to.write_text(text, encoding="utf-8"))
        write_whole(
            folder / "data" / "README.md", lambda to: to.write_text(f"{note}\n", encoding="utf-8")
        )
    except OSError as error:
        raise StudyError(
            "the study file cannot be written", found=str(error), do="Choose another place"
        ) from error
    return data
