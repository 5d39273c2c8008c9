"""A mapping file in which every key is explained."""

from __future__ import annotations

from pathlib import Path

from headwater.errors import InputError, ResumeError

__all__ = ["TEMPLATE", "write_template"]

TEMPLATE = """\
# What the columns of your files mean. Lines with # are comments; remove it to use a key.

[network]                        # goes to every station
name = "Upper valley"
# source = "doi:…"
# licence = "CC-BY-4.0"

[file]
format = "csv"                   # csv, toa5, geojson, ismn
# encoding = "gbk"               # default: UTF-8, UTF-16 or Chinese, found
# delimiter = ","                # one character, or tab, semicolon, space
# decimal = "."                  # "," for 0,31
# header = 1                     # line that holds the names of the columns
# names = ["time", "VWC_10"]     # where the file has none
# comment = "#"                  # lines that begin with this are skipped
# missing = ["-9999"]            # besides nothing, NaN, NA, null

[time]
column = "time"                  # or columns = ["date", "hour"], joined by a space
# format = "%d.%m.%Y %H:%M"      # default: ISO 8601
zone = "Asia/Shanghai"           # of times that carry no offset; UTC, Etc/GMT-8 …

# Where stations stand; or one [things] for a table of them:
# [things]
# file = "stations.csv"          # next to this file
# name = "{id}"                  # columns in braces
# latitude = "lat"
# longitude = "lon"
# elevation = "z"
# crs = "EPSG:32647"             # where coordinates are metres
# others = false                 # true: stations may appear that are not listed
[[thing]]
name = "Upper meadow"
latitude = 35.21
longitude = 99.12
elevation = 4520

[[series]]
column = "VWC_10"                # column with the values
thing = "Upper meadow"           # or "{station}" to take it from a column
property = "soil_moisture"       # soil_temperature, temperature, precipitation, battery_voltage …
unit = "vol%"                    # of the file; converted to m3 m-3
depth = 0.10                     # m
# sensor = "TEROS 12"
# saturation = 0.48              # porosity, for quality control
# flag = "QC"                    # column with the provider's flag
# where = { depth_cm = "10" }    # only lines that hold this: long tables
# file = "meadow_*.csv"          # only files of this name

# [mqtt]                         # headwater network watch --broker mqtt://localhost
# topics = ["soil/+/+"]
# topic = "soil/{station}/{depth}"
"""


def write_template(path: Path, *, force: bool = False) -> None:
    """Write the mapping file.

    Parameters
    ----------
    path : Path
    force : bool
        Overwrite what is there.

    Raises
    ------
    InputError
        If it exists.
    ResumeError
        If it cannot be written.
    """
    if path.exists() and not force:
        raise InputError("the mapping file exists", found=str(path), do="Use --force to overwrite")
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(TEMPLATE, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise ResumeError(f"cannot write {path}", found=why, do="Choose another place") from None
