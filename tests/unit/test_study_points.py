"""Tables of points as inputs of a study, and areas smaller than a cell."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.chapters import STEPS
from headwater.errors import DataError, HeadwaterError, InputError
from headwater.glossary import term
from headwater.grids import read_area, study_grid
from headwater.grids.area import cell_shares
from headwater.study import read_study, run
from headwater.study.checks import survey
from headwater.study.points import is_point_table, open_points
from headwater.tables import ReadingOptions

MONTHS = pd.date_range("2001-01-01", periods=24, freq="MS")


def lattice(path: Path, head: str, value=lambda x, y, k: 10 * x + y) -> Path:
    rows = [
        f"{100 + x / 10},{38 + y / 10},{when:%Y-%m-%d},{value(x, y, k):g}"
        for k, when in enumerate(MONTHS)
        for x in range(3)
        for y in range(2)
    ]
    path.write_text("\n".join([f"lon,lat,date,{head}", *rows]))
    return path


def test_points_on_a_lattice_are_the_centres_of_cells(tmp_path: Path) -> None:
    data = open_points(lattice(tmp_path / "p.csv", "tp (mm)"), term("precipitation"))
    assert data.dims == ("time", "y", "x")
    assert data.isel(time=0).values.tolist() == [[1, 11, 21], [0, 10, 20]]
    assert float(data.x[1]) == pytest.approx(100.1)
    assert "'tp (mm)' is precipitation (known spelling), mm" in data.attrs["notes"]


@pytest.mark.parametrize(
    ("head", "name", "options", "expected"),
    [
        ("tp (mm/d)", "precipitation", {}, 31.0),
        ("rain", "precipitation", {"units": "m"}, 1000.0),
        ("rain", "precipitation", {"units": "mm", "missing": (1.0,)}, np.nan),
        ("rain", "precipitation", {"units": "mm", "scale": 0.1}, 0.1),
        ("t2m (K)", "temperature", {}, -272.15),
    ],
)
def test_units_fills_and_scales_are_those_of_any_file(
    tmp_path: Path, head: str, name: str, options: dict, expected: float
) -> None:
    data = open_points(lattice(tmp_path / "p.csv", head), term(name), options=options)
    assert float(data[0, 0, 0]) == pytest.approx(expected, nan_ok=True, rel=1e-5)


def test_stations_are_kriged_with_their_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    places = rng.uniform((100, 38), (100.5, 38.4), (14, 2)).round(3)
    rows = [
        f"s{n},{x},{y},{when:%Y/%m/%d},{20 * x - 1990 + rng.normal(0, 0.3):.2f}"
        for n, (x, y) in enumerate(places)
        for when in MONTHS
    ]
    path = tmp_path / "stations.csv"
    path.write_text("\n".join(["station,longitude,latitude,date,降水量(mm)", *rows]), "gb18030")
    data = open_points(path, term("precipitation"))
    plane = 20 * data.x - 1990
    inner = data.sel(x=slice(100.1, 100.4), y=slice(38.3, 38.1))
    assert float(abs(inner - plane).max()) < 1.0
    assert "14 stations kriged" in data.attrs["notes"]
    assert "leaving out each station, the error is 0.3" in data.attrs["notes"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("lon,lat,date,rain\n100,38,2001-01-01,1\n100.3,38.2,2001-01-01,2\n", DataError, "lattice"),
        ("lon,date,rain\n100,2001-01-01,1\n", InputError, "latitude"),
        ("lon,lat,date,q\n100,38,2001-01-01,1\n", InputError, "variable = "),
        (
            "lon,lat,date,rain\n100,38,2001-01-01,1\n100,38,2001-01-01,2\n",
            InputError,
            "two values at one time",
        ),
        ("lon,lat,date,rain\n38,98,2001-01-01,1\n38.1,98,2001-01-01,2\n", InputError, "Exchange"),
        ("lon,lat,date,rain\n5e5,4e6,2001-01-01,1\n", InputError, "in degrees"),
        (
            "lon,lat,date,depth (cm),rain\n100,38,2001-01-01,5,1\n101,38,2001-01-01,20,2\n",
            InputError,
            "mixes depths",
        ),
    ],
)
def test_tables_that_are_no_points_are_refused(
    tmp_path: Path, text: str, error: type[Exception], words: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(error, match=words):
        open_points(path, term("precipitation"))


def test_what_is_ambiguous_is_asked(tmp_path: Path) -> None:
    text = lattice(tmp_path / "p.csv", "rain").read_text()
    path = tmp_path / "q.csv"
    path.write_text(text.replace("2001-01-01", "02/01/2001").replace("2001-02-01", "02/02/2001"))
    path.write_text("\n".join(path.read_text().splitlines()[:13]))
    with pytest.raises(HeadwaterError, match="dmy"):
        open_points(path, term("precipitation"))
    read = open_points(
        path, term("precipitation"), reading=ReadingOptions(dates="mdy"), options={"units": "mm"}
    )
    assert str(read["time"].values[0])[:10] == "2001-02-01"


@pytest.mark.parametrize("options", [{"units": "mm"}, {"units": "mm", "variable": "tp"}])
def test_quantities_under_each_other_are_distinguished(tmp_path: Path, options: dict) -> None:
    lines = lattice(tmp_path / "p.csv", "value").read_text().splitlines()
    rows = [
        f"{','.join(line.split(',')[:3])},{name},{float(line.split(',')[3]) + more}"
        for name, more in (("tp", 0), ("e", 500))
        for line in lines[1:]
    ]
    (tmp_path / "q.csv").write_text("\n".join(["lon,lat,time,short_name,value", *rows]))
    data = open_points(tmp_path / "q.csv", term("precipitation"), options=options)
    assert data.isel(time=0).values.tolist() == [[1, 11, 21], [0, 10, 20]]
    assert "short_name is not tp" in data.attrs["notes"]


def test_texts_are_tables_unless_they_are_grids(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ncols 3\nnrows 2\n")
    (tmp_path / "b.txt").write_text("lon\tlat\tz\n")
    assert not is_point_table(tmp_path / "a.txt")
    assert is_point_table(tmp_path / "b.txt")
    assert not is_point_table(tmp_path / "grid.nc")


def test_shares_of_cells_add_up_to_the_area() -> None:
    grid = study_grid(resolution=0.5, area=read_area((94, 36, 96, 37)))
    area = read_area((94.1, 36.2, 95.7, 36.9))
    assert float(cell_shares(grid, area).sum()) * 0.25 == pytest.approx(1.6 * 0.7)


def test_an_area_smaller_than_a_cell_is_averaged_by_shares(tmp_path: Path) -> None:
    lattice(tmp_path / "p.csv", "tp (mm)", lambda x, y, k: 10 * (x + 1) + k % 2)
    (tmp_path / "s.toml").write_text(
        '[study]\nname = "s"\n[area]\nbbox = [100.03, 38.01, 100.06, 38.04]\n'
        '[inputs.precipitation]\npath = "p.csv"\n[variation]\n'
    )
    asked = read_study(tmp_path / "s.toml", STEPS)
    found = survey(asked, STEPS)
    assert found.problems == ()
    assert any("holds no cell centre" in note and "2 cells" in note for note in found.notes)
    run(asked, STEPS)
    table = pd.read_csv(asked.results / "variation" / "summary.csv")
    year = table[(table["statistic"] == "mean") & (table["period"] == "year")]["value"]
    # 0.02 of the box lie in the cell with 10 mm a month, 0.01 in that with 20 mm
    expected = 12 * (2 * 10 + 20) / 3 + 6
    assert float(year.iloc[0]) == pytest.approx(expected, rel=1e-6)
