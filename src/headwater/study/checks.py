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

import numpy as np
from pydantic import ValidationError

from headwater.errors import DataError, HeadwaterError, StudyError
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
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from headwater.glossary import Term
    from headwater.grids.area import Area
    from headwater.grids.plausibility import Overview
    from headwater.study.step import Step

__all__ = ["Survey", "check", "look", "more_problems", "survey", "valid_part"]

_GLANCES = 3
_SIDE = 400
_FAR = 50.0
"""Times beyond what is plausible on land at which a yearly amount is refused."""
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

    # by its function: of a name, Dask would load its distributed half to look for clients
    chosen = "distributed" in sys.modules or dask.config.get("scheduler", None)
    with dask.config.set({} if chosen else {"scheduler": dask.threaded.get}):
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
    region = area if area is not None or grid is None else _box(grid)
    if rehearsed:
        inputs = {name: _held(problems, name, data) for name, data in inputs.items()}
    overviews: dict[str, Overview] = {}
    for name, data in inputs.items():
        # Where the study grid has no place in the area, its input has said so already.
        if region is None or (grid is None and name == study.like):
            continue
        part = partial(_part, data, region, period)
        _gather(problems, partial(_glance, study, name, part, wanted))
        seen = _try([], partial(_overview, study, name, part))
        if seen is not None:
            overviews[name] = seen
            problems += _beyond_all(name, seen, study.term(name), data)
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


def look(data: xr.DataArray, term: Term) -> list[HeadwaterError]:
    """Look at values: all missing, all the same, or impossible.

    Parameters
    ----------
    data : DataArray (time, y, x) or (y, x)
        The part of an input that the study uses.
    term : Term
        What the values are.

    Returns
    -------
    list of HeadwaterError
    """
    seen = _valid(_sample(data))
    low, high = _range_of_all(data) if np.unique(seen).size < 2 else (seen.min(), seen.max())
    if low > high:
        return [
            DataError(
                f"every value of '{term.name}' is missing in the area and period",
                found=f"{data.size} values, none valid",
                do="Correct area, period, variable or the file's missing value",
            )
        ]
    if low == high:
        return [
            DataError(
                f"'{term.name}' is the same everywhere, so it can explain nothing",
                found=f"{low:g} {term.units} in all cells",
                do="Remove this input, or choose a larger area",
            )
        ]
    return _impossible(seen, term, data)


def _impossible(seen: NDArray[Any], term: Term, data: xr.DataArray) -> list[HeadwaterError]:
    least, most = term.valid_range
    outside = seen[(seen < least) | (seen > most)]
    if not outside.size:
        return []
    return [
        DataError(
            f"'{term.name}' has impossible values",
            found=f"{outside.size} of {seen.size} looked at lie in {outside.min():g} to "
            f"{outside.max():g} {term.units}; possible are {least:g} to {most:g}",
            do=_cure(outside, data),
        )
    ]


def _cure(outside: NDArray[Any], data: xr.DataArray) -> str:
    """Name the key that mends impossible values: those of one number are mostly fills."""
    from headwater.grids.plausibility import stored_number

    numbers = [stored_number(data, float(value)) for value in np.unique(outside)[:4]]
    if len(numbers) < 4 and None not in numbers:
        written = ", ".join(f"{number:g}" for number in numbers)
        return f"If they mean no value, write missing = [{written}]; else correct units or scale"
    return "Correct units, variable, scale or valid (range of stored numbers) of this input"


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


def _glance(
    study: Study, name: str, part: Callable[[], xr.DataArray], steps: Sequence[Step]
) -> list[HeadwaterError]:
    with of_input(name):
        data = part()
        found = look(data, study.term(name))
        named = f"[inputs.{name}] ({data.attrs.get('source', '')})"
        found = [
            type(each)(f"{named}: {each.wrong}", found=each.found, do=each.do) for each in found
        ]
        return found or _without_pattern(study, name, data, steps)


def _overview(study: Study, name: str, part: Callable[[], xr.DataArray]) -> Overview:
    from headwater.grids.plausibility import overview

    with of_input(name):
        return overview(part(), study.term(name))


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


def _beyond_all(name: str, seen: Overview, term: Term, data: xr.DataArray) -> list[HeadwaterError]:
    """Refuse amounts of a year far beyond all land: units or scale are wrong, whatever else is."""
    low, high = term.plausible
    if term.total != "sum" or not low > 0.0 or not 0.0 < seen.yearly < np.inf:
        return []
    if low / _FAR <= seen.yearly <= high * _FAR:
        return []
    units = data.attrs.get("source_units", "")
    return [
        DataError(
            f"[inputs.{name}] ({data.attrs.get('source', '')}): amounts that no land has",
            found=f"{seen.yearly:.3g} {term.units} a year, read as '{units}'; on land are "
            f"{low:g} to {high:g}",
            do="Correct units, scale, offset or missing of this input, or name its product",
        )
    ]


def _lines_of(data: xr.DataArray, key: str) -> list[str]:
    return str(data.attrs.get(key, "")).splitlines()


def _without_pattern(
    study: Study, name: str, data: xr.DataArray, steps: Sequence[Step]
) -> list[HeadwaterError]:
    """Report a variable whose pattern is asked for, but which never differs between cells."""
    tables = [step.name for step in steps if name in step.patterns(study)]
    if not tables or "time" not in data.dims or _has_pattern(data):
        return []
    return [
        DataError(
            f"'{name}' is at all times the same in all cells, so it can explain no pattern",
            found=f"{data.sizes['time']} maps without contrast",
            do=f"Leave it out of [{tables[0]}] factors, or choose a larger area",
        )
    ]


def _has_pattern(data: xr.DataArray) -> bool:
    """Whether some time has two different values, read block by block until one has."""
    length = max(1, 1_000_000 // max(1, data.sizes["y"] * data.sizes["x"]))
    for start in range(0, data.sizes["time"], length):
        maps = np.asarray(data.isel(time=slice(start, start + length)).values)
        missing = ~np.isfinite(maps)
        low = np.where(missing, np.inf, maps).min(axis=(1, 2))
        if (np.where(missing, -np.inf, maps).max(axis=(1, 2)) > low).any():
            return True
    return False


def _part(data: xr.DataArray, region: Area, period: tuple[Any, Any] | None) -> xr.DataArray:
    from headwater.grids import clip
    from headwater.grids.times import in_period

    part = clip(data, region, margin=1)
    return in_period(part, period)


def _sample(data: xr.DataArray) -> xr.DataArray:
    """First, middle and last time, of every so many cells."""
    strides = {axis: slice(None, None, -(-data.sizes[axis] // _SIDE)) for axis in ("y", "x")}
    if "time" in data.dims:
        last = data.sizes["time"] - 1
        data = data.isel(time=np.unique(np.linspace(0, last, _GLANCES).astype(int)))
    return data.isel(strides)


def _valid(data: xr.DataArray) -> NDArray[Any]:
    values = np.asarray(data.values, dtype=np.float64)
    return values[np.isfinite(values)]


def _range_of_all(data: xr.DataArray) -> tuple[float, float]:
    """Least and greatest value, read block by block until they differ; inf, -inf if none."""
    low, high = np.inf, -np.inf
    axis = "time" if "time" in data.dims else "y"
    length = max(1, 4_000_000 * data.sizes[axis] // max(1, data.size))
    for start in range(0, data.sizes[axis], length):
        seen = _valid(data.isel({axis: slice(start, start + length)}))
        low = min(low, seen.min(initial=np.inf))
        high = max(high, seen.max(initial=-np.inf))
        if low < high:
            break
    return float(low), float(high)


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
