"""Look at a study before it is computed, and report every problem at once."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from headwater.errors import DataError, HeadwaterError, StudyError
from headwater.study.first_look import beyond_all_land, glance_at, has_pattern, look
from headwater.study.folder import check_folder, check_owner
from headwater.study.inputs import (
    in_one_calendar,
    of_input,
    open_input,
    period_of,
    read_study_area,
    study_geobox,
)
from headwater.study.model import Study
from headwater.study.publication import check_publication
from headwater.study.read import problems_of

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.grids.area import Area
    from headwater.grids.plausibility import Overview
    from headwater.study.step import Step

__all__ = ["Survey", "check", "more_problems", "survey", "valid_part"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, and what would be done.

    Attributes
    ----------
    study : Study
        The study.
    problems : tuple of HeadwaterError
        In the order of the study file; empty when all is well.
    inputs : mapping of DataArray
        Those that could be opened.
    grid : GeoBox or None
        The study grid.
    period : tuple of (start, end), or None
        The period that is studied.
    steps : tuple of str
        Names of the steps that would run.
    tables : tuple of str
        What was found in the tables that the steps read.
    overviews : mapping of Overview
        What the values of each input look like.
    notes : tuple of str
        What steps will do otherwise than asked.
    """

    study: Study
    problems: tuple[HeadwaterError, ...]
    inputs: Mapping[str, xr.DataArray]
    grid: GeoBox | None
    period: tuple[Any, Any] | None
    steps: tuple[str, ...]
    tables: tuple[str, ...] = ()
    overviews: Mapping[str, Overview] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be wrong with the inputs, each with the key that mends it."""
        return tuple(
            f"[inputs.{name}]: {word}"
            for name, data in self.inputs.items()
            for word in (*_lines_of(data, "warnings"), *self._seen(name))
        )

    def _seen(self, name: str) -> tuple[str, ...]:
        return self.overviews[name].warnings if name in self.overviews else ()

    def facts(self) -> dict[str, Any]:
        """Give what was found, and what would be done, as plain values for other programs."""
        return {
            "study": self.study.name,
            "inputs": {
                name: {
                    "facts": _facts(data),
                    "values": self.overviews[name].text if name in self.overviews else "",
                    "notes": _lines_of(data, "notes"),
                }
                for name, data in self.inputs.items()
            },
            "grid": None
            if self.grid is None
            else {"shape": list(self.grid.shape), "resolution": abs(self.grid.resolution.x)},
            "period": None if self.period is None else [_day(day) for day in self.period],
            "tables": list(self.tables),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "problems": [
                {"wrong": one.wrong, "found": one.found, "do": one.do} for one in self.problems
            ],
            "steps": list(self.steps),
            "results": str(self.study.results),
        }

    def lines(self) -> Iterator[str]:
        """Say in words what was found, and what would be done."""
        yield f"Study: {self.study.name}"
        for name, data in self.inputs.items():
            yield f"  {name}: {_facts(data)}"
            seen = self.overviews.get(name)
            yield from (f"    {word}" for word in ([seen.text] if seen and seen.text else []))
            yield from (f"    {note}" for note in _lines_of(data, "notes"))
        if self.grid is not None:
            rows, columns = self.grid.shape
            size = abs(self.grid.resolution.x)
            yield f"Grid: {rows} x {columns} cells of {size:g} in {_crs_name(self.grid)}"
        if self.period is not None:
            yield f"Period: {_day(self.period[0])} to {_day(self.period[1])}"
        yield from self.tables
        yield from self.notes
        yield from (f"Warning: {word}" for word in self.warnings)
        yield f"Steps: {', '.join(self.steps)}"
        yield f"Results: {self.study.results_url or self.study.results}"


def check(study: Study, steps: Sequence[Step]) -> list[HeadwaterError]:
    """Open all inputs, look at their values lightly, and list every problem.

    Parameters
    ----------
    study : Study
        The study.
    steps : sequence of Step
        All there are: :data:`headwater.chapters.STEPS`.

    Returns
    -------
    list of HeadwaterError
        Empty when all is well.
    """
    return list(survey(study, steps, rehearsed=True).problems)


def survey(
    study: Study, steps: Sequence[Step], *, chunk_mb: float = 16.0, rehearsed: bool = False
) -> Survey:
    """Open all inputs, look at their values lightly, and report what was found.

    Parameters
    ----------
    study : Study
        The study.
    steps : sequence of Step
        All there are: :data:`headwater.chapters.STEPS`.
    chunk_mb : float
        Size of a block in memory [MB].
    rehearsed : bool
        Whether a small study, in which nothing wrong was found, is computed into a folder that is
        thrown away, to see that nothing stops it (:func:`headwater.study.rehearsal.rehearse`).

    Returns
    -------
    Survey

    Notes
    -----
    Of each input a few times, or every few cells of a map, are looked at. Only where these are all
    missing or all the same, more is read, until one other value is found.
    """
    import dask
    import dask.threaded

    # by its function, and with a method: else Dask loads its distributed half to look for clients
    chosen = "distributed" in sys.modules or dask.config.get("scheduler", None)
    here = {"scheduler": dask.threaded.get, "array.rechunk.method": "tasks"}
    with dask.config.set({} if chosen else here):
        return _surveyed(study, steps, chunk_mb, rehearsed=rehearsed)


def _surveyed(study: Study, steps: Sequence[Step], chunk_mb: float, *, rehearsed: bool) -> Survey:
    problems: list[HeadwaterError] = []
    wanted = _valid_steps(study, steps, problems)
    _try(problems, partial(_check_results, study))
    area = _try(problems, lambda: read_study_area(study))
    read = [_try(problems, partial(step.read_tables, study)) for step in wanted]
    inputs = _open_all(problems, study, chunk_mb)
    alike = _try(problems, partial(in_one_calendar, inputs))
    inputs = inputs if alike is None else alike
    grid = None
    if study.like is None or study.like in inputs:
        grid = _try(problems, lambda: study_geobox(study, inputs, area)) if inputs else None
    # calendars that differ are reported already
    period = _try([] if alike is None else problems, lambda: period_of(study, inputs))
    region = area if area is not None or grid is None else grid
    if rehearsed:
        inputs = {name: _held(problems, name, data) for name, data in inputs.items()}
    # where the study grid has no place in the area, its input has said so already
    said = () if grid is not None else (study.like,)
    parts = {
        name: partial(_part, name, data, region, period)
        for name, data in inputs.items()
        if region is not None and name not in said
    }
    overviews = _overviews(problems, study, parts, wanted)
    notes: list[str] = []
    if grid is not None:
        for step in wanted:
            _gather(problems, partial(step.check, study, inputs, grid, period))
            notes += _notes(problems, partial(step.notes, study, inputs, grid, period))
    if rehearsed and not problems:
        from headwater.study.rehearsal import rehearse

        problems += rehearse(study, steps, inputs)
    names, tables = tuple(step.name for step in wanted), tuple(line for line in read if line)
    return Survey(
        study, tuple(problems), inputs, grid, period, names, tables, overviews, tuple(notes)
    )


def _check_results(study: Study) -> None:
    check_folder(study.results)
    check_owner(study.results, study.file)
    check_publication(study)


def _valid_steps(
    study: Study, steps: Sequence[Step], problems: list[HeadwaterError]
) -> tuple[Step, ...]:
    """List the steps asked for; report options that do not fit, and steps that lack another."""
    wanted = [step for step in steps if _try(problems, partial(step.options, study)) is not None]
    names = tuple(step.name for step in wanted)
    problems += [
        StudyError(
            f"[{step.name}] needs the results of [{need}]",
            found=f"no table [{need}]",
            do=f"Add [{need}], or remove [{step.name}]",
        )
        for step in wanted
        for need in step.needs
        if need not in names
    ]
    return tuple(wanted)


def _try(problems: list[HeadwaterError], act: Callable[[], _T]) -> _T | None:
    try:
        return act()
    except HeadwaterError as error:
        problems.append(error)
        return None


def _notes(problems: list[HeadwaterError], write: Callable[[], Iterable[str]]) -> list[str]:
    """Write the notes of a step; what hinders one once something is wrong is that same thing."""
    return _try([] if problems else problems, lambda: list(write())) or []


def _gather(problems: list[HeadwaterError], act: Callable[[], Iterable[HeadwaterError]]) -> None:
    """Add what a step reports, and what stops it from reporting more."""
    try:
        for problem in act():
            if str(problem) not in {str(each) for each in problems}:
                problems.append(problem)
    except HeadwaterError as error:
        if str(error) not in {str(each) for each in problems}:
            problems.append(error)


def _box(grid: GeoBox) -> Area:
    from headwater.grids import read_area

    box = grid.extent.boundingbox
    crs = None if grid.crs is None else grid.crs.to_wkt()
    area = read_area((box.left, box.bottom, box.right, box.top), crs=crs)
    return replace(area, name="study grid")


@dataclass(frozen=True, slots=True)
class _Part:
    """What a study uses of an input, and of it the values that are looked at, read once."""

    data: xr.DataArray
    glance: xr.DataArray
    sample: xr.DataArray


def _glance(study: Study, name: str, part: _Part, steps: Sequence[Step]) -> list[HeadwaterError]:
    with of_input(name):
        data = part.data
        found = look(data, study.term(name), part.glance)
        named = f"[inputs.{name}] ({data.attrs.get('source', '')})"
        found = [
            type(each)(f"{named}: {each.wrong}", found=each.found, do=each.do) for each in found
        ]
        return found or _without_pattern(study, name, data, steps)


def _overviews(
    problems: list[HeadwaterError],
    study: Study,
    parts: Mapping[str, Callable[[], _Part]],
    steps: Sequence[Step],
) -> dict[str, Overview]:
    """Look at one input after the other; each part is read and let go."""
    found: dict[str, Overview] = {}
    for name, read in parts.items():
        part = _try(problems, read)
        if part is None:
            continue
        _gather(problems, partial(_glance, study, name, part, steps))
        seen = _try([], partial(_overview, study, name, part))
        if seen is not None:
            found[name] = seen
            problems += beyond_all_land(name, seen, study.term(name), part.data)
    return found


def _overview(study: Study, name: str, part: _Part) -> Overview:
    from headwater.grids.plausibility import overview

    with of_input(name):
        return overview(part.data, study.term(name), part.sample)


def _open_all(
    problems: list[HeadwaterError], study: Study, chunk_mb: float
) -> dict[str, xr.DataArray]:
    opened = {
        name: _try(problems, partial(open_input, study, name, chunk_mb=chunk_mb))
        for name in study.inputs
    }
    return {name: data for name, data in opened.items() if data is not None}


def _held(problems: list[HeadwaterError], name: str, data: xr.DataArray) -> xr.DataArray:
    """Read a small input once; one that is damaged stays as it is."""
    from headwater.study.rehearsal import in_memory

    def read() -> xr.DataArray:
        with of_input(name):
            return in_memory(data)

    found = _try(problems, read)
    return data if found is None else found


def _lines_of(data: xr.DataArray, key: str) -> list[str]:
    return str(data.attrs.get(key, "")).splitlines()


def _without_pattern(
    study: Study, name: str, data: xr.DataArray, steps: Sequence[Step]
) -> list[HeadwaterError]:
    """Report a variable whose pattern is asked for, but which never differs between cells."""
    tables = [step.name for step in steps if name in step.patterns(study)]
    if not tables or "time" not in data.dims or has_pattern(data):
        return []
    return [
        DataError(
            f"'{name}' is at all times the same in all cells, so it can explain no pattern",
            found=f"{data.sizes['time']} maps without contrast",
            do=f"Leave it out of [{tables[0]}] factors, or choose a larger area",
        )
    ]


def _part(
    name: str, data: xr.DataArray, region: Area | GeoBox, period: tuple[Any, Any] | None
) -> _Part:
    import dask.base

    from headwater.grids import clip
    from headwater.grids.area import Area
    from headwater.grids.geometry import geobox_of
    from headwater.grids.plausibility import sample_values
    from headwater.grids.times import in_period

    with of_input(name):
        part = data
        if isinstance(region, Area):
            part = clip(data, region, margin=1)
        elif geobox_of(data) != region:  # the grid of an input needs no cutting, nor what cuts
            part = clip(data, _box(region), margin=1)
        part = in_period(part, period)
        together: Callable[..., Any] = dask.base.compute
        glance, sample = together(glance_at(part), sample_values(part))
        return _Part(part, glance, sample)


def _facts(data: xr.DataArray) -> str:
    rows, columns = data.sizes["y"], data.sizes["x"]
    words = f"{rows} x {columns} cells, {data.attrs.get('units', '')}"
    if "time" in data.dims:
        from headwater.grids.steps import plus_days, time_steps

        axis = time_steps(data)
        count, first, last = data.sizes["time"], _day(axis.start[0]), _day(axis.start[-1])
        if axis.has_length:
            last = _day(plus_days(axis.end[-1:], -1.0 / 86400.0)[0])
        words += f", {count} times from {first} to {last}" if count > 1 else f", one time, {first}"
    return words


def _day(instant: object) -> str:
    return str(instant)[:10]


def _crs_name(grid: GeoBox) -> str:
    code = grid.crs.to_epsg() if grid.crs is not None else None
    return f"EPSG:{code}" if code else "its own CRS"


def more_problems(path: str | Path, steps: Sequence[Step]) -> list[HeadwaterError]:
    """List what is wrong with the inputs that a faulty study file names rightly.

    Parameters
    ----------
    path : str or Path
        A study file that :func:`headwater.study.read_study` refuses.
    steps : sequence of Step
        All there are: :data:`headwater.chapters.STEPS`.

    Returns
    -------
    list of HeadwaterError
        Without those of inputs whose own table has a wrong key.
    """
    study, reported = valid_part(path)
    found = () if study is None else survey(study, steps).problems
    silent = tuple(f"[inputs.{name}]" for name in reported)
    return [problem for problem in found if not problem.wrong.startswith(silent)]


def valid_part(path: str | Path) -> tuple[Study | None, set[str]]:
    """Read what is right of a study file that is wrong.

    Parameters
    ----------
    path : str or Path
        A study file that :func:`headwater.study.read_study` refuses.

    Returns
    -------
    study : Study or None
        Study, area, grid and inputs without the keys that are wrong; None where that leaves
        nothing to look at.
    reported : set of str
        Inputs that have a wrong key, of which nothing more can be said.
    """
    file = Path(path)
    try:
        whole = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None, set()
    looked_at = ("study", "area", "grid", "inputs")
    raw = {key: deepcopy(table) for key, table in whole.items() if key in looked_at}
    context, reported = {"folder": file.absolute().parent}, set[str]()
    try:
        Study.model_validate(raw, context=context)
    except ValidationError as error:
        wrong = problems_of(error, raw)
        if ("study", "crs") in wrong:
            return None, reported  # files without a reference system would be blamed for its lack
        reported = {keys[1] for keys in wrong if keys[0] == "inputs" and len(keys) > 1}
        for keys in wrong:
            _remove(raw, keys)
    try:
        study = Study.model_validate(raw, context=context)
        for name in study.inputs:
            study.term(name)
    except (ValidationError, HeadwaterError):
        return None, reported
    right = study.inputs and (study.like is None or study.like in study.inputs)
    return (study if right else None), reported


def _remove(raw: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Remove a key; where it is one that is missing, the table that lacks it."""
    *way, last = keys
    table: Any = raw
    for key in way:
        table = table.get(key, {}) if isinstance(table, Mapping) else {}
    if last in table:
        del table[last]
    elif way:
        _remove(raw, tuple(way))
