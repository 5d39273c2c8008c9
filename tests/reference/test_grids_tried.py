"""Files of grids on which the product once fell short: each read right, or told with the key."""

import zipfile
from pathlib import Path

import pytest

from headwater.chapters import STEPS
from headwater.errors import ProblemsError
from headwater.study import read_study
from headwater.study.checks import survey

TRIED = Path(__file__).parents[1] / "data" / "grids-tried.zip"


@pytest.fixture(scope="module")
def grids(tmp_path_factory) -> Path:
    """A folder with the files."""
    folder = tmp_path_factory.mktemp("tried")
    with zipfile.ZipFile(TRIED) as files:
        files.extractall(folder)
    return folder


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("bounds/end", ("stamped at the end (by the file's bounds)", "mean 0.1501 ")),
        ("bounds/start", ("2001-01-01 to 2010-12-31", "mean 0.1501 ")),
        ("composites/n16", ("steps of 16 days, beginning anew every year", "mean 0.3999 ")),
        ("composites/mixed", ("time: years", "mean 0.4741 ")),
        ("composites/half", ("no such file", "no cell with enough data in months 5 to 10")),
        ("hourly/era_moda", ("365.2 mm a year", "m are those of an average day")),
        ("hourly/era_hourly", ("365.3 mm a year", "accumulations since 00 UTC")),
        ("pr_era5mean/s", ('write units = "m d-1"',)),
        ("validrange/s", ("mean 0.2 ", "0.0726 to 0.3292", "valid range 0 to 6500")),
        ("ndvi3000s/s", ("-0.3 1 ends the range", "write missing = -3000")),
        ("nod0/s", ("0 m3 m-3 ends the range", "write missing = 0")),
        ("curvi3/s", ("a rotated pole, regridded", "mean 0.2 ")),
        ("yearly/s", ("24 times from 1990-01-01 to 2013-12-31", "time: years")),
        ("single/s", ("no variable changes in time",)),
        ("monthssince/s", ("2015-01-01 to 2016-12-31", "time: months", "mean 0.2 ")),
        ("yyyymm/s", ("times read as %Y%m", "2015-01-01 to 2016-12-31")),
        ("floatyear/s", ("decimal years, middles of months", "2015-01-01 to 2016-12-31")),
        ("tifmonth/s", ("time in the file name: %Y%m", "mean 0.2 ")),
        ("tenthCpeng/s", ("mean -7.956 degC (-21.2 to 4.7)",)),
        ("t_degreesC/s", ("mean -7.949 degC",)),
        ("pr_mmmonth/s", ("487.5 mm a year",)),
        ("nc3cdf5/s", ("mean 0.2 m3 m-3 (0.07258 to 0.3292)",)),
        ("swapped", ("'lat' holds longitudes and 'lon' latitudes: taken so", "mean 0.2 ")),
        ("m9999", ("write missing = [-9999]",)),
        ("win", ('path = "C:/data/good.nc"',)),
        ("noquote", ('Put text in quotes: path = "good.nc"',)),
    ],
)
def test_files_mean_what_they_say(file: str, words: tuple[str, ...], grids: Path) -> None:
    path = grids / f"{file}.toml"
    try:
        found = survey(read_study(path, STEPS), STEPS)
        said = "\n".join((*found.lines(), *map(str, found.problems)))
    except ProblemsError as error:
        said = str(error)
    for each in words:
        assert each in said, said
