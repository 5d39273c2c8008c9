"""A study of files as a data centre delivers them: ESA CCI v05.2, two days of June 2016."""

from pathlib import Path

import pytest

from headwater.chapters import STEPS
from headwater.errors import ProblemsError, StudyError
from headwater.study import read_study, run
from headwater.study.checks import check

CCI = Path(__file__).parents[1] / "data" / "real" / "esacci-v052-daily"

STUDY = """
[study]
name = "ESA CCI over the Qilian Mountains"
[area]
bbox = [94.9, 36.4, 103.2, 40.0]
[inputs.{name}]
path = "{path}/*.nc"
product = "{product}"
{more}
"""


def written(folder: Path, name: str = "soil_moisture", product: str = "esa-cci", more: str = ""):
    path = folder / "study.toml"
    path.write_text(STUDY.format(name=name, path=CCI, product=product, more=more))
    return path


def test_a_product_needs_no_other_word(tmp_path: Path) -> None:
    study = read_study(written(tmp_path))
    assert check(study, STEPS) == []
    run(study, STEPS)
    inputs = (tmp_path / "results" / "grids" / "inputs.csv").read_text()
    assert "ESACCI-SOILMOISTURE" in inputs


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"product": "esa-ccci"}, "Did you mean 'esa-cci'"),
        ({"more": 'variable = "sm"'}, "a product says itself"),
    ],
)
def test_wrong_words_are_named(tmp_path: Path, wrong: dict[str, str], told: str) -> None:
    with pytest.raises((StudyError, ProblemsError), match=told):
        read_study(written(tmp_path, **wrong))


def test_a_product_of_another_quantity_is_named(tmp_path: Path) -> None:
    problems = check(read_study(written(tmp_path, name="ndvi")), STEPS)
    assert any("esa-cci holds soil_moisture" in str(problem) for problem in problems)
