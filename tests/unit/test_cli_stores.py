"""Commands that read a store open one that is there, and make none of a misspelt name."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from headwater.cli import app

READING = (
    ["network", "status"],
    ["network", "check"],
    ["network", "derive"],
    ["network", "export", "out.csv"],
    ["network", "letters"],
    ["network", "archive"],
    ["alerts", "list"],
    ["keys", "list"],
)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_misspelt_store_is_refused_and_not_made(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*words, "--store", "typo.db"])
    assert done.exit_code == 3, done.output
    assert "there is no such store" in done.stderr
    assert list(tmp_path.iterdir()) == []
