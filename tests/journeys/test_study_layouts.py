"""Each kind of study begins with a folder that says what it needs, and runs once it has that."""

import re
import shutil
from pathlib import Path

import pytest
import xarray as xr
from typer.testing import CliRunner

from headwater.chapters import STEPS
from headwater.cli import app
from headwater.errors import StudyError
from headwater.settings import Settings
from headwater.study import read_study
from headwater.study import run as run_study
from headwater.study.demo import write_demo, write_satellite_demo
from headwater.study.study_template import LAYOUTS, data_of, layout_text, write_layout

SMALL = {"years": (2017, 2021), "shape": (9, 14), "resolution": 0.55}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The files of a small virtual headwater, stations among them."""
    data = write_demo(tmp_path_factory.mktemp("world"), making=SMALL).parent / "data"
    monthly = xr.concat([month_means(data, year) for year in (2017, 2018)], "time")
    table = monthly.to_dataframe().reset_index().dropna(subset="soil_moisture")
    table["station"] = table["x"].astype(str) + table["y"].astype(str)
    some = sorted(table["station"].unique())[::5]
    table = table[table["station"].isin(some)]
    table = table.rename(columns={"x": "longitude", "y": "latitude"})
    columns = ["station", "longitude", "latitude", "time", "soil_moisture"]
    table[columns].to_csv(data / "stations.csv", index=False)
    return data


def month_means(data: Path, year: int) -> xr.DataArray:
    with xr.open_dataset(data / f"soil_moisture_{year}.nc") as cube:
        return cube["soil_moisture"].resample(time="MS").mean().load()


def fill(folder: Path, name: str, world: Path) -> Path:
    study = folder / "study.toml"
    if name == "downscaling":
        made = write_satellite_demo(folder / "made", shape=(12, 20), days=slice(150, 220))
        shutil.copytree(made.parent, folder / "data", dirs_exist_ok=True)
    else:
        shutil.copytree(world, folder / "data", dirs_exist_ok=True)
    return study


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_runs_on_generated_data(name, tmp_path, world):
    write_layout(tmp_path, name)
    file = fill(tmp_path, name, world)
    text = file.read_text(encoding="utf-8")
    # the layouts' own choices, but for the pains that a test need not take
    text = text.replace("[detector]\n", "[detector]\ndraws = 99\n")
    quick = 'learners = ["forest"]\ncoupling = "none"\n'
    text = text.replace("[downscaling]\n", f"[downscaling]\n{quick}")
    file.write_text(text, encoding="utf-8")
    study = read_study(file, STEPS)
    records = run_study(study, STEPS, settings=Settings())
    tables = set(re.findall(r"^\[(\w+)\]", text, re.MULTILINE))
    assert {record.name for record in records} >= tables - {"study", "area", "grid"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_without_data_says_what_belongs_where(name, tmp_path):
    run = CliRunner()
    home = tmp_path / name
    made = run.invoke(app, ["init", str(home), "--template", name])
    assert made.exit_code == 0, made.output
    expected = data_of(layout_text(name))
    assert expected
    assert all(expected.values()), "every file has its words"
    note = (home / "data" / "README.md").read_text(encoding="utf-8")
    assert all(path in note for path in expected)
    checked = run.invoke(app, ["check", str(home / "study.toml")])
    assert checked.exit_code != 0
    assert "What belongs where is in" in checked.output
    again = run.invoke(app, ["init", str(home), "--template", name])
    assert "exists already" in again.output


def test_an_unknown_layout_names_the_nearest(tmp_path):
    with pytest.raises(StudyError, match="three-rivers"):
        write_layout(tmp_path, "three-river")
