"""Whatever `check` passes, `run` finishes: studies that hypothesis makes up, a few of them here.

More are run by ``python -m benchmarks.generated_studies``; docs/limits.md has the counts.
"""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks lie beside the tests"
)


def test_no_study_passes_the_check_and_dies(monkeypatch, capsys) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    counts = importlib.import_module("benchmarks.generated_studies").main(2, 11)
    said = capsys.readouterr().out
    assert not any(word.startswith("BROKEN") for word in counts), said
    assert counts["finished"] >= 1, said


def test_a_study_without_its_file_is_refused(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    made = importlib.import_module("benchmarks.generated_studies")
    path = tmp_path / "study.toml"
    path.write_text('[study]\nname = "none"\n[inputs.ndvi]\npath = "lost.nc"\n[variation]\n')
    assert made._outcome(path, report=False).startswith("refused: ")
