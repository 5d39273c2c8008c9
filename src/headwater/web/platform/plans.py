"""The work plans that are shown, and decided on, as the files that other programs read too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headwater.network.sensorthings.errors import Conflict, NotFound
from headwater.restoration.plan import Plan, State

__all__ = ["Plans"]


class Plans:
    """Plans of studies by the name of their study, which a browser may use.

    Parameters
    ----------
    places : callable
        Gives the results folder of each study by name.
    """

    def __init__(self, places: Callable[[], Mapping[str, Path]]) -> None:
        self._places = places

    def _files(self) -> dict[str, Path]:
        files = {name: at / "restoration" / "plan.geojson" for name, at in self._places().items()}
        return {name: path for name, path in files.items() if path.is_file()}

    @property
    def names(self) -> tuple[str, ...]:
        """Studies that have a plan."""
        return tuple(self._files())

    def _path(self, name: str) -> Path:
        found = self._files().get(name)
        if found is None:
            do = "Give the study file a table [restoration] with your units, and run it again"
            raise NotFound("this study has no work plan", found=f"'{name[:60]}'", do=do)
        return found

    def read(self, name: str) -> Plan:
        """Read a plan.

        Parameters
        ----------
        name : str
            Of its study.

        Returns
        -------
        Plan

        Raises
        ------
        NotFound
            If the study has none.
        InputError
            If the file is no plan.
        """
        from headwater.restoration import load_plan

        return load_plan(self._path(name))

    def move(
        self, name: str, units: tuple[str, ...], state: State, *, person: str, comment: str
    ) -> Plan:
        """Move units of a plan on; all of them or none.

        Raises
        ------
        StudyError
            If a step is not allowed, or lacks its comment.
        Conflict
            If the study is making a new plan just now, which could miss the decision.
        """
        from headwater.restoration import change_plan

        if (self._path(name).parent.parent / ".running-restoration").exists():
            do = "Decide in a minute, on the new plan"
            raise Conflict("a new plan is being made", found=f"'{name[:60]}'", do=do)
        return change_plan(self._path(name), units, state, person=person, comment=comment)

    def table(self, name: str, language: str) -> list[dict[str, Any]]:
        """Give a plan as rows, one for each measure of each unit."""
        from headwater.restoration import plan_table

        held = plan_table(self.read(name), language=language)
        known = held.astype(object).where(held.notna(), None)
        return [{str(key): value for key, value in row.items()} for row in known.to_dict("records")]
