"""A caller's script sees the types of everything public, through lazy imports too."""

import subprocess
import sys
from pathlib import Path

import headwater

SOURCE = Path(headwater.__file__).parents[1]
SCRIPT = """
import headwater
from headwater.network import open_store
from headwater.study import read_study

reveal_type(read_study)
reveal_type(open_store)
headwater.grids.no_such_function()
headwater.validation.scorecard(nonsense=4)
study: int = read_study("study.toml")
"""


def test_a_callers_script_is_checked_against_every_signature(tmp_path: Path) -> None:
    script = tmp_path / "caller.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(script)],  # as strict as pyproject.toml says
        capture_output=True,
        text=True,
        cwd=SOURCE.parent,
        check=False,
    )
    words = done.stdout
    assert 'Revealed type is "Any"' not in words
    assert "no_such_function" in words
    assert "nonsense" in words
    assert "Incompatible types in assignment" in words
