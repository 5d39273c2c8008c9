"""Put the built front end into what is installed; see ``frontend/build.py``."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _front_end() -> Any:
    path = Path(__file__).resolve().parent / "frontend" / "build.py"
    found = importlib.util.spec_from_file_location("headwater_frontend_build", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _skipped() -> bool:
    return os.environ.get("HEADWATER_FRONTEND", "") == "skip"


class FrontEndHook(BuildHookInterface[Any]):
    """Builds the page before the package is put together."""

    def dependencies(self) -> list[str]:
        """Ask for a Node where the machine has none."""
        front = _front_end()
        if _skipped() or front.is_built() or front.installed_node():
            return []
        return [str(front.NODE)]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page; an editable installation goes on without it, and says so.

        Parameters
        ----------
        version : str
            ``editable`` or ``standard``.
        build_data : dict
        """
        if _skipped():
            return
        front = _front_end()
        try:
            front.build(develop=version == "editable")
        except front.FrontEndError as error:
            if version != "editable":
                raise RuntimeError(str(error)) from None
            self.app.display_warning(str(error))
