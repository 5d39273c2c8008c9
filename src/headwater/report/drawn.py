"""Figures that need no drawing: those whose results, look and program are what they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.report.picture import Picture
from headwater.results import fingerprint

if TYPE_CHECKING:
    from headwater.grids.area import Area
    from headwater.report.look import Look
    from headwater.results import Result

__all__ = ["INDEX", "index_of", "kept_pictures", "key_of"]

INDEX = "drawn.json"
"""File among the figures: the key and the size of each."""


def key_of(
    folders: Iterable[Path], results: Iterable[Result], outline: Area | None, look: Look
) -> str:
    """Condense all that the figures of a chapter depend on.

    Parameters
    ----------
    folders : iterable of Path
        With the files of the results, whose contents count.
    results : iterable of Result
        What the chapter draws.
    outline : Area or None
        The study area.
    look : Look
        How figures are rendered.

    Returns
    -------
    str
        Another where a result, the area, the look, Headwater or matplotlib is another.
    """
    prints = sorted(result.fingerprint for result in results)
    prints += [_content_of(folder) for folder in folders]
    shape = "" if outline is None else outline.geometry.wkb_hex
    return fingerprint(prints, shape, str(look), version("matplotlib"), _program())


def _content_of(folder: Path) -> str:
    """Hash the files of results, so that one changed by hand is drawn as it is."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in {".csv", ".nc", ".json"} and path.name != "step.json":
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _program() -> str:
    """Fingerprint Headwater's own files by their sizes and times, which costs no reading."""
    home = Path(__file__).parents[1]
    files = sorted(path for path in home.rglob("*") if path.suffix in {".py", ".po"})
    facts = [(str(path.relative_to(home)), path.stat()) for path in files]
    return fingerprint([(name, stat.st_size, stat.st_mtime_ns) for name, stat in facts])


def index_of(pictures: Mapping[str, Picture]) -> bytes:
    """Write down what each figure was drawn from.

    Parameters
    ----------
    pictures : mapping of Picture
        By file name without suffix.

    Returns
    -------
    bytes
        JSON.
    """
    facts = {
        stem: {
            "key": picture.key,
            "size": [picture.width, picture.height],
            "formats": sorted(picture.files),
            "lost": picture.lost,
        }
        for stem, picture in sorted(pictures.items())
    }
    return (json.dumps(facts, indent=1) + "\n").encode()


def kept_pictures(folder: Path, key: str) -> dict[str, Picture]:
    """Read the figures of an earlier report that need not be drawn again.

    Parameters
    ----------
    folder : Path
        With the figures and their index.
    key : str
        Of the results now, from :func:`key_of`.

    Returns
    -------
    dict of str to Picture
        By file name without suffix; a figure of which a file is missing is left out.
    """
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return {
            stem: Picture(
                {kind: (folder / f"{stem}.{kind}").read_bytes() for kind in facts["formats"]},
                width=facts["size"][0],
                height=facts["size"][1],
                key=key,
                lost=facts["lost"],
            )
            for stem, facts in index.items()
            if facts["key"] == key
            and all((folder / f"{stem}.{kind}").is_file() for kind in facts["formats"])
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # an index that cannot be read saves nothing, and is no reason to fail
        return {}
