"""The language in which commands speak: that of the study, or of ``HEADWATER_LANGUAGE``."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.errors import HeadwaterError
    from headwater.report.language import Translator

__all__ = ["error_text", "say", "speak_as"]

_LANGUAGE: ContextVar[str] = ContextVar("language", default="")
_WISH = re.compile(r"^\s*language\s*=\s*[\"'](\w+)[\"']", re.MULTILINE)
_CHINESE = re.compile(r"[\u3002\u4e00-\u9fff]")


def speak_as(study: Path | None = None) -> None:
    """Speak the language that a study file asks for, also of a file that has mistakes.

    Parameters
    ----------
    study : Path, optional
        The study file; where there is none, or it asks for none, ``HEADWATER_LANGUAGE`` decides.
    """
    wish = None
    if study is not None:
        try:
            wish = _WISH.search(study.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            wish = None
    _LANGUAGE.set("" if wish is None else wish[1])


def _is_chinese() -> bool:
    return (_LANGUAGE.get() or os.environ.get("HEADWATER_LANGUAGE", "")) == "zh"


def say(text: str) -> str:
    """Translate what is printed; what the catalogue does not know stays English.

    Parameters
    ----------
    text : str
        In English; what stands before its first letter stays.

    Returns
    -------
    str
    """
    if not _is_chinese():
        return text
    return "\n".join(_translated(line) for line in text.split("\n"))


def _translated(line: str) -> str:
    """Translate a line, whole or by its sentences; one of which nothing is known stays as it is."""
    blank, body = line[: len(line) - len(line.lstrip())], line.strip()
    known = _chinese()
    found = known.line(body) if body else body
    if found is None:
        found = known(body)
        found = found if _CHINESE.search(found) and not _CHINESE.search(body) else body
    return blank + found


def error_text(error: HeadwaterError) -> str:
    """Write an error, or all that a check found, in the language of the command.

    Parameters
    ----------
    error : HeadwaterError
        What went wrong.

    Returns
    -------
    str
    """
    from headwater.errors import ProblemsError

    if not _is_chinese():
        return str(error)
    if isinstance(error, ProblemsError):
        lines = [f"  {i}. {error_text(one)}" for i, one in enumerate(error.problems, start=1)]
        return "\n".join([f"{say(error.wrong)}：", *lines])
    found = f"所见：{say(error.found)}" if error.found else ""
    parts = (say(error.wrong), found, say(error.do))
    return "".join(f"{part.rstrip('.。')}。" for part in parts if part)


@cache
def _chinese() -> Translator:
    """Join the words of commands with those of the report, which names steps and columns."""
    from dataclasses import replace

    from headwater.report.language import translator_of

    own, report = translator_of("zh", "headwater.cli"), translator_of("zh")
    templates = sorted((*own.templates, *report.templates), key=lambda one: -one.fixed)
    return replace(report, words={**report.words, **own.words}, templates=tuple(templates))
