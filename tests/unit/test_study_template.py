"""The template and the docs say the same as the models."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from headwater.chapters.correlation.options import CorrelationOptions
from headwater.chapters.detector.options import DetectorOptions, StrataOptions
from headwater.chapters.downscaling.options import DownscalingOptions
from headwater.chapters.restoration.options import RestorationOptions
from headwater.chapters.samples.options import (
    ClimateOptions,
    LmwlOptions,
    MixingOptions,
    SamplesOptions,
)
from headwater.chapters.validation.options import ValidationOptions
from headwater.chapters.variation.options import BandOptions, VariationOptions
from headwater.chapters.vegetation.options import CapacityOptions, VegetationOptions
from headwater.chapters.warning.options import WarningOptions
from headwater.errors import StudyError
from headwater.settings import Settings
from headwater.study import parse_study
from headwater.study.model import (
    AreaTable,
    Georeference,
    GridTable,
    InputTable,
    StudyTable,
)
from headwater.study.options import ReportOptions
from headwater.study.study_template import default_text, keys_of, template, write_template

DOCS = Path(__file__).parents[2] / "docs" / "study-file.md"
TABLES: dict[str, type[BaseModel]] = {
    "study": StudyTable,
    "area": AreaTable,
    "grid": GridTable,
    "inputs.NAME": InputTable,
    "inputs.NAME.georeference": Georeference,
    "downscaling": DownscalingOptions,
    "validation": ValidationOptions,
    "variation": VariationOptions,
    "variation.bands": BandOptions,
    "report": ReportOptions,
    "correlation": CorrelationOptions,
    "detector": DetectorOptions,
    "detector.strata.FACTOR": StrataOptions,
    "vegetation": VegetationOptions,
    "vegetation.capacity": CapacityOptions,
    "warning": WarningOptions,
    "samples": SamplesOptions,
    "samples.lmwl": LmwlOptions,
    "samples.climate": ClimateOptions,
    "samples.mixing": MixingOptions,
    "restoration": RestorationOptions,
}


def uncommented(text: str) -> str:
    return re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)


def test_the_template_is_a_valid_study() -> None:
    study = parse_study(template())
    assert set(study.inputs) == {"soil_moisture", "precipitation", "temperature", "elevation"}
    assert study.variation is not None
    assert study.correlation is not None
    assert study.detector is not None


def test_every_key_stands_in_the_template_and_every_example_is_toml() -> None:
    raw = tomllib.loads(uncommented(template()))
    for name, table in TABLES.items():
        if name.count(".") > name.count("NAME") or "georeference" in name:
            continue
        place = raw["inputs"]["soil_moisture"] if name == "inputs.NAME" else raw[name]
        assert set(place) == {key for key, _ in keys_of(table)}
    assert set(raw["settings"]) == set(Settings.__dataclass_fields__)


@pytest.mark.parametrize("name", list(TABLES))
def test_every_key_stands_in_the_docs_with_default_and_meaning(name: str) -> None:
    text = DOCS.read_text(encoding="utf-8")
    part = text.split(f"\n## `[{name}]`\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    expected = [
        f"| `{key}` | {default_text(field)} | {field.description} |"
        for key, field in keys_of(TABLES[name])
    ]
    assert rows == expected


def test_every_setting_stands_in_the_docs() -> None:
    part = DOCS.read_text(encoding="utf-8").split("\n## `[settings]`\n", 1)[1]
    for name, entry in Settings.__dataclass_fields__.items():
        default = f'"{entry.default}"' if isinstance(entry.default, str) else entry.default
        assert f"| `{name}` | `{default}` | {entry.metadata['help']} |" in part


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "new" / "study.toml"
    write_template(path)
    path.write_text("mine")
    with pytest.raises(StudyError, match="exists already"):
        write_template(path)
    assert path.read_text() == "mine"
    write_template(path, force=True)
    assert path.read_text() == template()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="cannot be written"):
        write_template(tmp_path / "file" / "study.toml")
