"""Study files to begin with, one for each kind of study, and the data that each expects."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from headwater.errors import StudyError, nearest
from headwater.study.results_io import write_whole

__all__ = ["LAYOUTS", "data_of", "layout_text", "write_layout"]

LAYOUTS = ("qilian", "three-rivers", "network", "samples", "downscaling", "warning")
"""Names of the layouts: the two source studies, and one for each other kind of study."""

_PATH = re.compile(r'^\s*(?:#\s*)?\w+ = "(data/[^"]+)"\s*(?:# (.*))?$', re.MULTILINE)


def layout_text(name: str) -> str:
    """Read the study file of a layout.

    Parameters
    ----------
    name : str
        One of :data:`LAYOUTS`.

    Returns
    -------
    str
        TOML with comments.

    Raises
    ------
    StudyError
        If there is no such layout.

    Examples
    --------
    >>> "[samples]" in layout_text("three-rivers")
    True
    """
    if name not in LAYOUTS:
        raise StudyError("no such template", found=f"'{name}'", do=nearest(name, list(LAYOUTS)))
    return files("headwater.study").joinpath(f"templates/{name}.toml").read_text(encoding="utf-8")


def data_of(text: str) -> dict[str, str]:
    """List the files that a study file of a layout expects.

    Parameters
    ----------
    text : str
        From :func:`layout_text`.

    Returns
    -------
    dict of str to str
        What each is, by its path.

    Examples
    --------
    >>> data_of('path = "data/dem.tif"   # elevation')
    {'data/dem.tif': 'elevation'}
    """
    found: dict[str, str] = {}
    for path, what in _PATH.findall(text):
        found[path] = found.get(path) or what
    return found


def write_layout(folder: Path, name: str, *, force: bool = False) -> dict[str, str]:
    """Write a study file, and a folder for its data with a note of what belongs there.

    Parameters
    ----------
    folder : Path
        Where to; made when it is not there.
    name : str
        One of :data:`LAYOUTS`.
    force : bool
        Overwrite a study file that is there.

    Returns
    -------
    dict of str to str
        What to put where.

    Raises
    ------
    StudyError
        If there is no such layout, a study file is there already, or the folder cannot be written.
    """
    text = layout_text(name)
    study, data = folder / "study.toml", data_of(text)
    if study.exists() and not force:
        raise StudyError(
            "the file exists already", found=str(study), do="Choose another name, or add --force"
        )
    note = "\n".join(["Put here:", "", *(f"- {path}: {what}" for path, what in data.items())])
    try:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        write_whole(study, lambda to: to.write_text(text, encoding="utf-8"))
        write_whole(
            folder / "data" / "README.md", lambda to: to.write_text(f"{note}\n", encoding="utf-8")
        )
    except OSError as error:
        raise StudyError(
            "the study file cannot be written", found=str(error), do="Choose another place"
        ) from error
    return data
