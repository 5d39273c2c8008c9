"""One study file composes the rooms: steps, resume, provenance."""

from __future__ import annotations

from headwater.study.check import Survey, check, survey
from headwater.study.folder import finished_steps
from headwater.study.model import Study
from headwater.study.reading import parse_study, read_study
from headwater.study.run import run, wanted_steps
from headwater.study.sound import read_checked
from headwater.study.store import load_result, save_result

__all__ = [
    "Study",
    "Survey",
    "check",
    "finished_steps",
    "load_result",
    "parse_study",
    "read_checked",
    "read_study",
    "run",
    "save_result",
    "survey",
    "wanted_steps",
]
