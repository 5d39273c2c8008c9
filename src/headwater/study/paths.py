"""Paths of a study file, which are relative to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

__all__ = ["RelativePath"]


def _beside_the_file(path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get("folder")
    return path if folder is None or "://" in path else str(Path(folder, path).expanduser())


RelativePath = Annotated[str, AfterValidator(_beside_the_file)]
"""A path of the study file, made absolute where the file's folder is known."""
