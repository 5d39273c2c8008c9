"""The rules of the house, which a machine checks so that they stay true."""

import ast
import importlib
from pathlib import Path

import pytest

import headwater

SOURCE = Path(headwater.__file__).parent
GROUND = {"errors", "glossary", "units", "settings", "results", "figures"}
# room: rooms it may import (its own and the ground are always allowed), as in docs/architecture.md
MAY_IMPORT = {
    "inference": set(),
    "grids": {"inference"},
    "variation": {"inference", "grids"},
    "detector": {"inference", "grids"},
    "isotopes": {"inference"},
    "downscaling": {"inference", "grids"},
    "stations": set(),
    "web": {"study", "report", "stations"},
    "virtual": {"grids"},
    "study": {
        "inference",
        "grids",
        "variation",
        "detector",
        "isotopes",
        "downscaling",
        "stations",
        "virtual",
    },
    "report": {"study", "grids", "inference"},
    "cli": {
        "study",
        "report",
        "virtual",
        "grids",
        "detector",
        "isotopes",
        "downscaling",
        "stations",
        "web",
    },
}
FILES = sorted(SOURCE.rglob("*.py"))
MODULES = [path for path in FILES if path.name != "__main__.py"]


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "headwater":
                names = [f"headwater.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("headwater.")}
    return found - {"__version__"}


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_rooms_import_only_what_the_design_allows(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert not imported_rooms(path)
        return
    allowed = GROUND if room in GROUND else GROUND | {room} | MAY_IMPORT[room]
    assert imported_rooms(path) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_all_is_what_a_module_defines_in_public(path: Path) -> None:
    module = importlib.import_module(dotted(path))
    listed = list(getattr(module, "__all__", []))
    assert listed == sorted(listed)
    for name in listed:
        assert getattr(module, name) is not None
    if path.name == "__init__.py":
        return
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and getattr(value, "__module__", None) == module.__name__
    }
    if not path.name.startswith("_"):
        assert public <= set(listed)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    tree = ast.parse(path.read_text())
    statements = sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
    assert path.read_text().count("\n") <= 600
    assert statements <= 400
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 40, f"{node.name} has a body of {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_everything_public_is_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a module says in one sentence what it knows"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_root_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    heavy = "('numpy', 'xarray', 'scipy', 'matplotlib')"
    code = f"import headwater, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
