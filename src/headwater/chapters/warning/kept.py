"""What a watch keeps on disk: one small text that names its arrays, renamed into place at the end.

Whatever is killed while it writes leaves the state as it was: arrays are written under new names,
and only the text that names them, written last and renamed, makes them the state.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.chapters.warning.options import WarningOptions
from headwater.chapters.warning.run import Plan
from headwater.chapters.warning.series import Calendar, WaterForm, calendar_of
from headwater.errors import ResumeError
from headwater.warning.baseline import PooledMemory
from headwater.warning.charts import Detector, Thresholds
from headwater.warning.monitor import KeptMonitor, Monitor, pack_monitor, unpack_monitor

__all__ = [
    "DAMAGED",
    "OpenAlert",
    "WatchState",
    "forget_state",
    "key_of_state",
    "load_plan",
    "load_state",
    "save_plan",
    "save_state",
]

_TEXT = "watch.json"
DAMAGED = (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile)
"""What reading raises of a file that is not whole: numpy's archives are ZIP files."""
_ARRAYS = ("history", "checkpoint", "now", "drought")


@dataclass(frozen=True, slots=True, eq=False)
class OpenAlert:
    """A group of neighbouring cells that stands out, kept so that it keeps its name.

    Attributes
    ----------
    target : str
        Its name: first day and first cell.
    state : str
        Rung of the ladder.
    cells : ndarray of int
        Numbers of its cells in the flattened grid, rising.
    """

    target: str
    state: str
    cells: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class WatchState:
    """Where a watch over grids stands.

    Attributes
    ----------
    key : str
        Of the options and of the archive; another one begins anew.
    plan : Plan
    now, checkpoint : Monitor
        After the last date, and before the first of the present season.
    alerts : tuple of OpenAlert
    drought : ndarray of uint8, shape (n_cells,)
        Pentads in a row that were dry, and 128 where a drought is on.
    drought_day : int
        Last pentad taken in, days since 1970 [d].
    is_dry : bool
        Whether the drought of the area is an open alert.
    taken : dict
        Size and time of change of each file that was taken in.
    rain, demand : dict
        Mean rain and evaporative demand of the area, by day.
    """

    key: str
    plan: Plan
    now: Monitor
    checkpoint: Monitor
    alerts: tuple[OpenAlert, ...] = ()
    drought: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    drought_day: int = -(10**6)
    is_dry: bool = False
    taken: Mapping[str, Any] = field(default_factory=dict)
    rain: Mapping[str, float] = field(default_factory=dict)
    demand: Mapping[str, float] = field(default_factory=dict)


def save_plan(plan: Plan) -> dict[str, Any]:
    """Write a plan as JSON can hold it.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    dict
    """
    limits, form, memory = plan.thresholds, plan.form, plan.calendar.options.memory
    return {
        "options": plan.options.model_dump(mode="json"),
        "months": list(plan.months),
        "split": str(plan.split),
        "missing": plan.missing,
        "own_times": plan.own_times,
        "memory": memory and asdict(memory),
        "form": form and [form.settings.tolist(), form.words, form.step, form.lags],
        "thresholds": {
            "rate": limits.rate,
            "detector": asdict(limits.detector),
            "n_resamples": limits.n_resamples,
            "rho": limits.rho.tolist(),
            "threshold": limits.threshold.tolist(),
            "quantiles": limits.quantiles.tolist(),
            "tail": limits.tail.tolist(),
            "deviation": limits.deviation.tolist(),
            "memory": limits.memory.tolist(),
        },
    }


def load_plan(saved: Mapping[str, Any], options: WarningOptions) -> Plan:
    """Read a plan.

    Parameters
    ----------
    saved : mapping
        From :func:`save_plan`.
    options : WarningOptions
        As they are now.

    Returns
    -------
    Plan
    """
    limits, form = dict(saved["thresholds"]), saved["form"]
    if "n_simulations" in limits:  # of states that an older version kept
        limits["n_resamples"] = limits.pop("n_simulations")
    limits["detector"] = Detector(**limits["detector"])
    arrays = ("rho", "threshold", "quantiles", "tail", "deviation", "memory")
    limits |= {name: np.array(limits[name], dtype=np.float64) for name in arrays}
    months = (int(saved["months"][0]), int(saved["months"][1]))
    bare = calendar_of(months, options)
    memory = saved["memory"] and PooledMemory(**saved["memory"])
    calendar: Calendar = replace(bare, options=replace(bare.options, memory=memory))
    return Plan(
        options=options,
        calendar=calendar,
        months=months,
        split=np.datetime64(saved["split"], "D"),
        form=form and WaterForm(np.array(form[0]), form[1], float(form[2]), int(form[3])),
        thresholds=Thresholds(**limits),
        missing=float(saved["missing"]),
        own_times=bool(saved["own_times"]),
    )


def save_state(home: Path, state: WatchState) -> None:
    """Make a state the one that is kept.

    Parameters
    ----------
    home : Path
        Folder of the watch.
    state : WatchState

    Raises
    ------
    ResumeError
        If the folder cannot be written.
    """
    now = pack_monitor(state.now)
    then = pack_monitor(state.checkpoint, begins_season=True)
    arrays = {
        "history": now.history,
        "checkpoint": then.moving,
        "now": now.moving,
        "drought": {"drought": state.drought},
    }
    try:
        home.mkdir(parents=True, exist_ok=True)
        before = _names(home)
        number = 1 + max((int(name.split("-")[1][:-4]) for name in before.values()), default=0)
        files = {name: _written(home, name, number, arrays[name], before) for name in _ARRAYS}
        saved = {
            "key": state.key,
            "plan": save_plan(state.plan),
            "files": files,
            "now": _stand(now),
            "checkpoint": _stand(then),
            "alerts": [[one.target, one.state, _runs(one.cells)] for one in state.alerts],
            "drought_day": state.drought_day,
            "is_dry": state.is_dry,
            "taken": dict(state.taken),
            "rain": dict(state.rain),
            "demand": dict(state.demand),
        }
        _replace(home / _TEXT, json.dumps(saved).encode())
        for old in home.glob("*.npz"):
            if old.name not in files.values():
                old.unlink(missing_ok=True)
    except OSError as error:
        raise ResumeError(
            "the state of the watch cannot be written", found=str(error), do="Make room or rights"
        ) from error


def _names(home: Path) -> dict[str, str]:
    try:
        return dict(json.loads((home / _TEXT).read_text(encoding="utf-8"))["files"])
    except DAMAGED:
        return {}


def _written(
    home: Path, name: str, number: int, arrays: Mapping[str, NDArray[Any]], before: dict[str, str]
) -> str:
    """Write arrays under a new name, or keep the file that holds the same ones."""
    old = before.get(name)
    if name in ("history", "checkpoint") and old is not None and _holds(home / old, arrays):
        return old
    file = f"{name}-{number}.npz"
    with (home / file).open("wb") as stream:
        np.savez(stream, **dict[str, Any](arrays))
        stream.flush()
        os.fsync(stream.fileno())
    return file


def _holds(path: Path, arrays: Mapping[str, NDArray[Any]]) -> bool:
    try:
        with path.open("rb") as stream, np.load(stream) as held:
            same = set(held.files) == set(arrays)
            return same and all(
                held[name].dtype == value.dtype
                and np.array_equal(held[name].view(np.uint8), value.view(np.uint8))
                for name, value in arrays.items()
            )
    except DAMAGED:
        return False


def _replace(path: Path, text: bytes) -> None:
    part = path.with_name(f".writing-{path.name}")
    with part.open("wb") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def _stand(kept: KeptMonitor) -> list[int]:
    return [kept.last, kept.first_season, kept.season]


def _runs(cells: NDArray[np.int64]) -> list[list[int]]:
    """Write rising numbers as first and length of each run."""
    breaks = np.flatnonzero(np.diff(cells) != 1) + 1
    return [[int(run[0]), len(run)] for run in np.split(cells, breaks) if len(run)]


def _cells(runs: list[list[int]]) -> NDArray[np.int64]:
    whole = [np.arange(first, first + length) for first, length in runs]
    return np.concatenate(whole) if whole else np.zeros(0, np.int64)


def key_of_state(home: Path) -> str | None:
    """Say of which options and archive the state is that is kept.

    Parameters
    ----------
    home : Path
        Folder of the watch.

    Returns
    -------
    str or None
        None where there is none that can be read.
    """
    try:
        return str(json.loads((home / _TEXT).read_text(encoding="utf-8"))["key"])
    except DAMAGED:
        return None


def forget_state(home: Path) -> None:
    """Take the state away that is kept.

    Parameters
    ----------
    home : Path
        Folder of the watch.
    """
    (home / _TEXT).unlink(missing_ok=True)


def load_state(home: Path, key: str, options: WarningOptions) -> WatchState | None:
    """Read the state that is kept.

    Parameters
    ----------
    home : Path
    key : str
        Of the options and of the archive.
    options : WarningOptions

    Returns
    -------
    WatchState or None
        None where there is none, or where it belongs to other options or another archive.
    """
    try:
        saved = json.loads((home / _TEXT).read_text(encoding="utf-8"))
        if saved["key"] != key:
            return None
        return _unpacked(home, saved, options)
    except FileNotFoundError:
        return None
    except DAMAGED as error:
        raise ResumeError(
            "the state of the watch cannot be read",
            found=f"{home / _TEXT}: {error}",
            do="Remove that file; the watch then begins anew from the history",
        ) from error


def _unpacked(home: Path, saved: Mapping[str, Any], options: WarningOptions) -> WatchState:
    held = {}
    for name in _ARRAYS:
        with (home / saved["files"][name]).open("rb") as stream, np.load(stream) as file:
            held[name] = {one: file[one] for one in file.files}
    plan = load_plan(saved["plan"], options)
    monitors = {
        name: unpack_monitor(
            KeptMonitor(held["history"], held[name], *saved[name]),
            thresholds=plan.thresholds,
            options=plan.calendar.options,
        )
        for name in ("now", "checkpoint")
    }
    return WatchState(
        key=saved["key"],
        plan=plan,
        now=monitors["now"],
        checkpoint=monitors["checkpoint"],
        alerts=tuple(OpenAlert(name, rung, _cells(runs)) for name, rung, runs in saved["alerts"]),
        drought=held["drought"]["drought"],
        drought_day=int(saved["drought_day"]),
        is_dry=bool(saved["is_dry"]),
        taken=saved["taken"],
        rain=saved.get("rain", {}),
        demand=saved.get("demand", {}),
    )
