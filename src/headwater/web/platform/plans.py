"""The work plans that are shown, and decided on, as files that other programs read too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headwater.errors import InputError, ResumeError
from headwater.network.sensorthings.errors import NotFound

__all__ = ["Plans", "find_plan"]

_NAMES = ("restoration/plan.geojson", "plan.geojson", "../plan.geojson")


def find_plan(results: Path) -> Path | None:
    """Find the plan of a study, in its results folder or next to its study file."""
    for name in _NAMES:
        path = results / name
        if path.is_file():
            return path.resolve()
    return None


class Plans:
    """Plan files by the name that a browser may use.

    Parameters
    ----------
    places : sequence of (name, path)
    """

    def __init__(self, places: Sequence[tuple[str, Path]] = ()) -> None:
        self._places = dict(places)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the plans."""
        return tuple(self._places)

    def path(self, name: str) -> Path:
        """Find the file of a plan.

        Raises
        ------
        NotFound
            If there is none of this name.
        """
        if name not in self._places:
            raise NotFound("no such plan", found=f"'{name[:60]}'", do="See GET /api/plans")
        return self._places[name]

    def read(self, name: str) -> dict[str, Any]:
        """Read a plan as GeoJSON.

        Raises
        ------
        ResumeError
            If the file cannot be read.
        """
        path = self.path(name)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResumeError(
                "a plan that cannot be read", found=type(error).__name__, do="Make it anew"
            ) from error
        if not isinstance(found, dict) or not isinstance(found.get("features"), list):
            raise InputError("a file that is no plan", found=path.name, do="Make it anew")
        return found
