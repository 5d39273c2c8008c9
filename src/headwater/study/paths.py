"""Paths of a study file, which are relative to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import AfterValidator, ValidationInfo

from headwater.errors import StudyError

__all__ = ["RelativePath"]

# What TOML makes of the backslashes in "C:\temp\new", "\rain", "\field" and "\basin".
_ESCAPED = {"\t": "/t", "\n": "/n", "\r": "/r", "\f": "/f", "\b": "/b"}


def _beside_the_file(path: str, info: ValidationInfo) -> str:
    if any(sign in path for sign in _ESCAPED):
        meant = "".join(_ESCAPED.get(sign, sign) for sign in path).replace("\\", "/")
        raise StudyError(
            "a path with backslashes, which TOML takes for signs of its own",
            found=ascii(path),
            do=f'Write paths with forward slashes: "{meant}"',
        )
    folder = (info.context or {}).get("folder")
    if path.startswith("file://"):
        path = url2pathname(urlsplit(path).path)
    return path if folder is None or "://" in path else str(Path(folder, path).expanduser())


RelativePath = Annotated[str, AfterValidator(_beside_the_file)]
"""A path of the study file, made absolute where the file's folder is known."""
