"""Look at the inputs even of a study file that is wrong, so that all problems are told at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headwater.errors import HeadwaterError, ProblemsError
from headwater.study.check import survey
from headwater.study.model import Study
from headwater.study.reading import _problems_of, read_study

__all__ = ["read_checked", "sound_part"]


def read_checked(path: str | Path) -> Study:
    """Read a study file; if it is wrong, tell what is wrong with its inputs as well.

    Parameters
    ----------
    path : str or Path
        A TOML file.

    Returns
    -------
    Study

    Raises
    ------
    ProblemsError
        With everything that is wrong with the file, and with those inputs that it names rightly.
    """
    try:
        return read_study(path)
    except ProblemsError as error:
        sound, told = sound_part(path)
        found = () if sound is None else survey(sound).problems
        silent = tuple(f"[inputs.{name}]" for name in told)
        more = [problem for problem in found if not problem.wrong.startswith(silent)]
        raise ProblemsError([*error.problems, *more]) from error


def sound_part(path: str | Path) -> tuple[Study | None, set[str]]:
    """Read what is right of a study file that is wrong.

    Parameters
    ----------
    path : str or Path
        A study file that :func:`headwater.study.read_study` refuses.

    Returns
    -------
    study : Study or None
        Study, area, grid and inputs without the keys that are wrong; None where that leaves
        nothing to look at.
    told : set of str
        Inputs that have a wrong key, of which nothing more can be said.
    """
    file = Path(path)
    try:
        whole = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None, set()
    looked_at = ("study", "area", "grid", "inputs")
    raw = {key: deepcopy(table) for key, table in whole.items() if key in looked_at}
    context, told = {"folder": file.absolute().parent}, set[str]()
    try:
        Study.model_validate(raw, context=context)
    except ValidationError as error:
        wrong = _problems_of(error, raw)
        if ("study", "crs") in wrong:
            return None, told  # files without a reference system would be blamed for its lack
        told = {keys[1] for keys in wrong if keys[0] == "inputs" and len(keys) > 1}
        for keys in wrong:
            _remove(raw, keys)
    try:
        study = Study.model_validate(raw, context=context)
        for name in study.inputs:
            study.term(name)
    except (ValidationError, HeadwaterError):
        return None, told
    right = study.inputs and (study.like is None or study.like in study.inputs)
    return (study if right else None), told


def _remove(raw: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Remove a key; where it is one that is missing, the table that lacks it."""
    *way, last = keys
    table: Any = raw
    for key in way:
        table = table.get(key, {}) if isinstance(table, Mapping) else {}
    if last in table:
        del table[last]
    elif way:
        _remove(raw, tuple(way))
