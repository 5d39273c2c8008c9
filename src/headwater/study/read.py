"""Read a study file, or say everything that is wrong with it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from headwater.chapters.samples.options import SamplesOptions
from headwater.errors import HeadwaterError, ProblemsError, StudyError, nearest
from headwater.glossary import GLOSSARY
from headwater.settings import resolve
from headwater.study.model import DERIVED, InputTable, Study

if TYPE_CHECKING:
    from headwater.study.step import Step

__all__ = ["parse_samples", "parse_study", "problems_of", "read_study"]


def read_study(path: str | Path, steps: Sequence[Step] | None = None) -> Study:
    """Read and validate a study file.

    Parameters
    ----------
    path : str or Path
        A TOML file; paths inside are relative to it.
    steps : sequence of Step, optional
        All there are, :data:`headwater.chapters.STEPS`: of a faulty study file, the inputs that it
        names rightly are checked as well, so that all problems are reported together.

    Returns
    -------
    Study

    Raises
    ------
    ProblemsError
        With everything that is wrong with the file, all at once.
    """
    file = Path(path)
    try:
        return parse_study(_text_of(file), file)
    except ProblemsError as error:
        if steps is None:
            raise
        from headwater.study.checks import more_problems

        raise ProblemsError([*error.problems, *more_problems(file, steps)]) from error


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ProblemsError(
            [
                StudyError(
                    "no such study file",
                    found=str(file),
                    do="Write one with `headwater init`, or correct the path",
                )
            ]
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        if file.is_dir():
            raise ProblemsError([_folder_given(file)]) from error
        text_at_all = isinstance(error, UnicodeDecodeError)
        do = "Save it as UTF-8" if text_at_all else "Correct the path, or its permissions"
        raise ProblemsError(
            [StudyError(f"{file} cannot be read", found=str(error), do=do)]
        ) from error


def _folder_given(folder: Path) -> StudyError:
    studies = sorted(folder.glob("*.toml"))
    do = f"Name the study file: {studies[0]}" if studies else "Name a study file (TOML) in it"
    return StudyError("a folder is no study file", found=str(folder), do=do)


def parse_study(text: str, file: str | Path = "study.toml") -> Study:
    r"""Validate the text of a study file.

    Parameters
    ----------
    text : str
        TOML.
    file : str or Path
        Where the text stands, or would stand; paths are relative to its folder.

    Returns
    -------
    Study

    Raises
    ------
    ProblemsError
        With everything that is wrong with the text, all at once.

    Examples
    --------
    >>> parse_study('[study]\nnmae = "Qilian"\n[inputs.ndvi]\npath = "ndvi.nc"')
    Traceback (most recent call last):
    headwater.errors.ProblemsError: 2 problems found:
      1. [study] lacks 'name'. Add name = … to it.
      2. unknown key in [study]. Found: 'nmae'. Did you mean 'name'? Known: crs, ...
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProblemsError(
            [StudyError(f"{file} is not TOML", found=str(error), do=_toml_cure(error, text))]
        ) from error
    problems: list[HeadwaterError] = []
    study = None
    folder = Path(file).absolute().parent
    try:
        study = Study.model_validate(raw, context={"folder": folder})
    except ValidationError as error:
        problems += problems_of(error, raw).values()
    problems += _problems_of_names(raw)
    if problems or study is None:
        raise ProblemsError(problems)
    study._file, study._text = Path(file).absolute(), text
    return study


def _toml_cure(error: tomllib.TOMLDecodeError, text: str) -> str:
    """Say how to mend a line that is not TOML: quotes and backslashes are the common cases."""
    place = re.search(r"at line (\d+)", str(error))
    lines = text.splitlines()
    line = lines[int(place[1]) - 1].strip() if place and int(place[1]) <= len(lines) else ""
    key, sign, value = (part.strip() for part in line.partition("="))
    if "\\" in value:
        plain = value.strip("\"'").replace("\\", "/")
        return f'Write paths with forward slashes: {key} = "{plain}"'
    bare = sign and value and value[0] not in "\"'[{0123456789+-" and value[0].isalpha()
    if bare or (sign and re.match(r"^[./~\w:-]+$", value)):
        return f'Put text in quotes: {key} = "{value}"'
    return f"Correct that line: {line}" if line else "Correct that line"


def parse_samples(
    path: str, given: Mapping[str, Any], settings: Iterable[str] = ()
) -> SamplesOptions:
    """Validate the table ``[samples]`` of a study that has nothing else.

    Parameters
    ----------
    path : str
        The table of samples.
    given : mapping
        Keys of ``[samples]``.
    settings : iterable of str
        More of them as lines of TOML, ``"altitude=[3000, 3500]"``; these win.

    Returns
    -------
    SamplesOptions

    Raises
    ------
    ProblemsError
        With everything that is wrong, all at once.

    Examples
    --------
    >>> parse_samples("lab.csv", {"period": "year"}, ["depth=[0, 0.2]"]).depth
    (0.0, 0.2)
    """
    raw: dict[str, Any] = {"path": path, **given}
    for line in settings:
        try:
            raw = _merged(raw, tomllib.loads(line))
        except tomllib.TOMLDecodeError as error:
            raise ProblemsError(
                [
                    StudyError(
                        "--set takes a line of TOML",
                        found=f"'{line}' ({error})",
                        do="Write --set 'unit=\"permil\"' or --set 'depth=[0, 0.2]'",
                    )
                ]
            ) from error
    try:
        return SamplesOptions.model_validate(raw)
    except ValidationError as error:
        shifted = {"samples": raw}
        entries = [{**entry, "loc": ("samples", *entry["loc"])} for entry in error.errors()]
        raise ProblemsError([*_in_order(entries, shifted).values()]) from error


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Let a table add to a table, and anything else replace what was there."""
    joined = dict(old)
    for key, value in new.items():
        both = _is_table(joined.get(key)) and _is_table(value)
        joined[key] = _merged(joined[key], value) if both else value
    return joined


def problems_of(
    error: ValidationError, raw: Mapping[str, Any]
) -> dict[tuple[str, ...], HeadwaterError]:
    """Put pydantic's findings into our words, one for each key."""
    return _in_order(error.errors(), raw)


def _in_order(
    entries: Iterable[Any], raw: Mapping[str, Any]
) -> dict[tuple[str, ...], HeadwaterError]:
    found: dict[tuple[str, ...], HeadwaterError] = {}
    for entry in entries:
        keys = _keys_in(raw, entry["loc"], missing=entry["type"] == "missing")
        found.setdefault(keys, _in_our_words(entry, keys))
    return found


def _keys_in(raw: object, loc: tuple[int | str, ...], *, missing: bool) -> tuple[str, ...]:
    # Of a union, pydantic names the alternative that it tried as if it were a key.
    keys: list[str] = []
    missing = missing and isinstance(loc[-1], str)
    for part in loc:
        if isinstance(raw, Mapping) and part in raw:
            keys.append(str(part))
            raw = raw[part]
        elif missing and part == loc[-1]:
            keys.append(str(part))
    return tuple(keys)


def _in_our_words(entry: Any, keys: tuple[str, ...]) -> HeadwaterError:
    place, key = f"[{'.'.join(keys[:-1])}]", keys[-1] if keys else ""
    if entry["type"] == "missing" and isinstance(entry["loc"][-1], str):
        where = f"{place} lacks '{key}'" if keys[:-1] else f"there is no table [{key}]"
        do = f"Add {key} = … to it" if keys[:-1] else f"Add [{key}]; `headwater init` shows how"
        return StudyError(where, do=do)
    if entry["type"] == "extra_forbidden":
        kind = "key" if keys[:-1] else "table"
        where = f"unknown {kind} in {place}" if keys[:-1] else "unknown table"
        return StudyError(where, found=f"'{key}'", do=nearest(key, _known_keys(keys[:-1])))
    own = entry.get("ctx", {}).get("error")
    if isinstance(own, HeadwaterError):
        return StudyError(f"{_spot(keys)}: {own.wrong}", found=own.found, do=own.do)
    expected = entry["msg"].replace("Input should", "It should")
    if entry["type"] == "missing":
        expected = f"It should have at least {entry['loc'][-1] + 1} values"
    return StudyError(f"{_spot(keys)} is wrong", found=repr(entry["input"]), do=expected)


def _spot(keys: tuple[str, ...]) -> str:
    """Name a key with the table in which it stands."""
    is_table = len(keys) < 2 or (len(keys) == 2 and keys[0] == "inputs")
    return f"[{'.'.join(keys)}]" if is_table else f"[{'.'.join(keys[:-1])}] {keys[-1]}"


def _known_keys(keys: tuple[str, ...]) -> list[str]:
    model: type[BaseModel] = Study
    for key in keys:
        field = model.model_fields.get(key)
        inner = _model_in(field.annotation) if field is not None else None
        model = inner or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def _problems_of_names(raw: Mapping[str, Any]) -> list[HeadwaterError]:
    """Names that must point to something: quantities, the grid's input, settings."""
    problems: list[HeadwaterError] = []
    inputs = {name: table for name, table in _table(raw, "inputs").items() if _is_table(table)}
    for name, table in inputs.items():
        given = {key: table[key] for key in ("quantity", "units", "long_name") if key in table}
        known = given.get("quantity", "") in {"", *GLOSSARY}
        if known and all(isinstance(value, str) for value in given.values()):
            entry = InputTable.model_construct(**given)
            problems += _raised(partial(entry.term, name))
    problems += _strangers(_table(raw, "grid"), "[grid] like", [*inputs])
    derived = [name for name in DERIVED if "elevation" in inputs and name not in inputs]
    for step in ("variation", "correlation", "detector", "warning"):
        for key in ("of", "with", "response", "factors", "water"):
            problems += _strangers(_table(raw, step), f"[{step}] {key}", [*inputs, *derived])
    for key in ("ndvi", "water", "demand", "types", "field_plot"):
        spot = f"[vegetation] {key}"
        problems += _strangers(_table(raw, "vegetation"), spot, [*inputs, *derived])
    problems += _nothing_to_study(raw)
    for key, value in _table(raw, "settings").items():
        problems += _raised(partial(resolve, {key: value}))
    return problems


def _nothing_to_study(raw: Mapping[str, Any]) -> list[HeadwaterError]:
    """Refuse a study without inputs and samples, and what works on grids where there are none."""
    if raw.get("inputs"):
        return []
    if "samples" not in raw:
        return [
            StudyError(
                "there is nothing to study",
                found="no table [inputs.NAME] and no table [samples]",
                do="Add [inputs.soil_moisture] or [samples]; `headwater init` shows how",
            )
        ]
    return [
        StudyError(
            f"[{step}] works on grids",
            found="no table [inputs.NAME]",
            do=f"Add inputs, or remove [{step}]",
        )
        for step in (
            "area",
            "grid",
            "variation",
            "correlation",
            "detector",
            "vegetation",
            "warning",
        )
        if step in raw
    ]


def _strangers(table: Mapping[str, Any], spot: str, known: list[str]) -> list[HeadwaterError]:
    """Names under a key that no input has."""
    value = table.get(spot.rsplit(maxsplit=1)[-1])
    names = value if isinstance(value, list) else [value]
    return [
        StudyError(f"{spot} names no input", found=f"'{name}'", do=nearest(name, known))
        for name in names
        if isinstance(name, str) and name not in known
    ]


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = raw.get(name, {})
    return table if _is_table(table) else {}


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _raised(act: Callable[[], object]) -> list[HeadwaterError]:
    try:
        act()
    except HeadwaterError as error:
        return [error]
    return []
