"""What keeps the package running on Windows and macOS."""

import subprocess
import sys
from pathlib import Path

import pytest

from headwater.chapters import STEPS
from headwater.errors import InputError, ProblemsError
from headwater.grids._files import find_files
from headwater.study import read_study

SOURCE = Path(__file__).parents[2] / "src" / "headwater"


def test_no_module_needs_what_only_unix_has() -> None:
    # as on Windows: importing these fails there
    code = (
        "import sys\n"
        "for name in ('fcntl', 'resource', 'grp', 'pwd', 'termios'):\n"
        "    sys.modules[name] = None\n"
        "import headwater.cli, headwater.study.engine, headwater.study.folder\n"
        "import headwater.study.engine, headwater.network.store.open, headwater.study.checks\n"
        "print('imported')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "imported", done.stderr


def test_the_package_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headwater", "--version"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_older_python_is_told_what_to_do() -> None:
    old = "import sys; sys.version_info = (3, 10, 13); "
    code = f"{old}sys.modules['lazy_loader'] = None; sys.argv = {{}}; import headwater"
    for argv, last in ((["-m"], "Headwater needs"), (["x"], "ImportError: Headwater needs")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(argv)], capture_output=True, text=True, check=False
        )
        line = done.stderr.splitlines()[-1]
        assert line.startswith(f"{last} Python 3.11 or newer. Found: 3.10.13"), done.stderr
        assert "python3.12 -m venv" in line


def test_paths_with_backslashes_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"forward slashes: data/sm\.nc"):
        find_files("data\\sm.nc")
    file = tmp_path / "s.toml"
    file.write_text(
        '[study]\nname = "s"\n[inputs.soil_moisture]\npath = "D:\\temp\\new.nc"\n', "utf-8"
    )
    with pytest.raises(ProblemsError, match="forward slashes") as caught:
        read_study(file, STEPS)
    assert "new.nc" in str(caught.value)
