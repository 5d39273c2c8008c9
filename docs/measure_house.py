"""Measure the house as a newcomer meets it: files, lines, doors, and what its rules still miss.

Run ``make house``; ``tests/unit/test_house.py`` holds the code to the same measures.
"""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "headwater"
FILES = sorted(SOURCE.rglob("*.py"))
# Two numbers are a range, two names a pair; two arrays are two arguments.
ARRAYS = {"Floats", "np.ndarray", "xr.DataArray", "NDArray[np.int64]", "NDArray[np.float64]"}
LONGEST_BODY, MOST_ARGUMENTS = 40, 6
Function = ast.FunctionDef | ast.AsyncFunctionDef
# Expressions hold neither functions nor imports, so the walk passes them by.
HOLDS = ast.stmt | ast.excepthandler | ast.match_case


def short(path: Path) -> str:
    """Path of a file inside the package."""
    return path.relative_to(SOURCE).as_posix()


@cache
def parse(path: Path) -> ast.Module:
    """Read a file as a syntax tree."""
    collected = gc.isenabled()
    gc.disable()  # a tree holds no cycles, and looking for them takes twice as long as parsing
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        if collected:
            gc.enable()


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Statements of a file that hold others, and its imports: what the measures look at."""
    found: list[ast.AST] = []
    open_: list[ast.AST] = [parse(path)]
    while open_:
        node = open_.pop()
        found.append(node)
        open_ += [one for one in ast.iter_child_nodes(node) if isinstance(one, HOLDS)]
    return tuple(found)


def functions(path: Path) -> Iterator[Function]:
    """Every function and method."""
    yield from (node for node in nodes(path) if isinstance(node, Function))


def arguments(node: Function) -> list[ast.arg]:
    """Name the arguments that a caller passes."""
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [one for one in given if one.arg not in {"self", "cls"}]


def length_of_body(node: Function) -> int:
    """Lines of a function without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def docstring_lines(path: Path) -> int:
    """Lines of all docstrings in a file."""
    total = 0
    for node in nodes(path):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node):
            first = node.body[0]
            total += (first.end_lineno or 0) - first.lineno + 1
    return total


def is_kernel(path: Path) -> bool:
    """Say whether a file holds compiled loops, whose arguments are plain arrays."""
    return path.name == "_kernels.py"


def is_compiled(node: Function) -> bool:
    """Say whether Numba compiles a function."""
    return any(
        "jit" in ast.unparse(one) or "vectorize" in ast.unparse(one) for one in node.decorator_list
    )


def long_functions() -> set[str]:
    """Functions whose body exceeds the limit."""
    return {
        f"{short(path)}: {node.name}"
        for path in FILES
        for node in functions(path)
        if length_of_body(node) > LONGEST_BODY
    }


def modules_named_as_a_function() -> set[str]:
    """Modules that share their name with a function or class in them."""
    return {
        short(path)
        for path in FILES
        for node in parse(path).body
        if isinstance(node, ast.ClassDef | Function) and node.name == path.stem
    }


def private_with_many_arguments() -> set[str]:
    """Private functions that take more than six arguments, kernels aside."""
    return {
        f"{short(path)}: {node.name}"
        for path in FILES
        if not is_kernel(path)
        for node in functions(path)
        if node.name.startswith("_")
        and not node.name.startswith("__")
        and not is_compiled(node)
        and len(arguments(node)) > MOST_ARGUMENTS
    }


def mixed_tuples(annotation: ast.expr) -> Iterator[str]:
    """Tuples in an annotation whose places mean different things."""
    for node in ast.walk(annotation):
        if (
            isinstance(node, ast.Subscript)
            and ast.unparse(node.value) in {"tuple", "Tuple"}
            and isinstance(node.slice, ast.Tuple)
            and ast.unparse(node.slice.elts[-1]) != "..."
        ):
            kinds = {ast.unparse(one) for one in node.slice.elts}
            if len(kinds) > 1 or kinds & ARRAYS:
                yield ast.unparse(node)


def tuples_for_several() -> set[str]:
    """Arguments that are a tuple standing for several."""
    return {
        f"{short(path)}: {node.name}: {one.arg}"
        for path in FILES
        if not is_kernel(path)
        for node in functions(path)
        if not is_compiled(node)
        for one in arguments(node)
        if one.annotation is not None and _is_tuple(one.annotation)
    }


def _is_tuple(annotation: ast.expr) -> bool:
    """Say whether an annotation is itself a mixed tuple, or one of its alternatives is."""
    if isinstance(annotation, ast.BinOp):
        return _is_tuple(annotation.left) or _is_tuple(annotation.right)
    return next(mixed_tuples(annotation), None) == ast.unparse(annotation)


def share_of_any() -> float:
    """Share of annotated arguments whose annotation is exactly ``Any``."""
    found = [
        ast.unparse(one.annotation) == "Any"
        for path in FILES
        for node in functions(path)
        for one in arguments(node)
        if one.annotation is not None
    ]
    return sum(found) / len(found)


def exported() -> dict[str, int]:
    """Count the names on the face of each room."""
    counts = {}
    for path in FILES:
        if path.name != "__init__.py" or path.parent == SOURCE:
            continue
        stub = path.with_suffix(".pyi")
        names = _all_of(parse(stub if stub.exists() else path))
        if names:
            counts[short(path.parent)] = len(names)
    return counts


def _all_of(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def table() -> dict[str, int | float]:
    """Put the measures into one table."""
    text = {path: path.read_text(encoding="utf-8") for path in FILES}
    lines = sum(one.count("\n") for one in text.values())
    bare = sum(
        1
        for one in text.values()
        for line in one.splitlines()
        if not line.strip() or line.strip().startswith("#")
    )
    documented = sum(docstring_lines(path) for path in FILES)
    return {
        "files": len(FILES),
        "lines": lines,
        "lines of docstrings": documented,
        "lines of code": lines - bare - documented,
        "exported names": sum(exported().values()),
        "functions over 40 lines": len(long_functions()),
        "private functions over 6 arguments": len(private_with_many_arguments()),
        "tuples for several arguments": len(tuples_for_several()),
        "modules named as their function": len(modules_named_as_a_function()),
        "bare Any in arguments [%]": round(100 * share_of_any(), 1),
    }


if __name__ == "__main__":
    for name, value in table().items():
        sys.stdout.write(f"{name:40} {value:>8}\n")
