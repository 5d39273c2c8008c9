"""The tutorials, followed: every command of the page, and every file that it says to read."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from headwater.cli import app

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("qilian", 3), ("three-rivers", 2)])
def test_a_tutorial_can_be_followed(
    name: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"^```sh\n(.*?)^```", page, re.S | re.M):
        for line in block.splitlines():
            words = shlex.split(line)[1:]
            # two years of few cells, where the page has five of many; figures have their own tests
            words += {"demo": ["--small"], "run": ["--no-report"]}.get(words[0], [])
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, done.output
        if "--template" in block:
            shutil.copytree("made-up/data", f"{name}/data", dirs_exist_ok=True)
    read = re.findall(r"`(results/\S+?)`", page)
    assert len(read) >= least
    for file in read:
        assert (tmp_path / name / file).stat().st_size > 100
    if name == "qilian":
        _check_what_is_said(tmp_path / name / "results")


def _check_what_is_said(results: Path) -> None:
    # two years have no trend: what is there is what the page tells to read
    summary = pd.read_csv(results / "variation" / "summary.csv", encoding="utf-8-sig")
    assert {"mean", "interannual CV", "spatial CV"} <= set(summary["statistic"])
    factors = pd.read_csv(results / "detector" / "factor.csv", encoding="utf-8-sig")
    six = {"precipitation", "temperature", "ndvi", "elevation", "slope", "aspect"}
    assert set(factors["factor"]) == six
    assert {"q", "p_value", "p_spatial"} <= set(factors.columns)
    matrix = pd.read_csv(results / "correlation" / "matrix.csv", encoding="utf-8-sig")
    assert {"value", "p", "n", "n_effective", "p_effective"} <= set(matrix.columns)
