"""Runs of studies that are started from the browser: one at a time, each a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from headwater.network.sensorthings.errors import Conflict, NotFound

__all__ = ["Progress", "Runs", "study_file_of"]

State = Literal["running", "finished", "failed", "stopped"]
_LINES = 60
_PATIENCE = 20.0
_STEP = re.compile(r"(\w+): (.+)")
_REPORT = "Drawing the report"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes
    ----------
    study : str
    state : {"running", "finished", "failed", "stopped"}
    by : str
        Who started it.
    seconds : float
        Since it began, or that it took.
    done : tuple of str
        Steps that have finished, or were kept.
    step, what : str
        The step that is running, and what it does.
    lines : tuple of str
        The last that it said; without the folder of the study.
    """

    study: str
    state: State
    by: str
    seconds: float = 0.0
    done: tuple[str, ...] = ()
    step: str = ""
    what: str = ""
    lines: tuple[str, ...] = ()


def study_file_of(results: Path) -> Path | None:
    """Find the study file that a results folder belongs to; None where it says nothing of one."""
    try:
        owner = (results / ".study").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    found = (results / owner).resolve() if owner else None
    return found if found is not None and found.is_file() else None


class Runs:
    """Starts, follows and stops runs of the studies that are served.

    Parameters
    ----------
    files : callable
        Gives the study files by the names that a browser may use: no other file is ever run.

    Notes
    -----
    A run is the command ``headwater run`` with nothing but the study file, in the background of
    the service; the lock of the results folder keeps out a second one, from wherever it comes.
    """

    def __init__(self, files: Callable[[], Mapping[str, Path]]) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._last: dict[str, Progress] = {}
        self._began = 0.0
        self._stopping = False

    def file(self, study: str) -> Path:
        """Give the study file.

        Raises
        ------
        NotFound
            If the service knows only the results of this study.
        """
        found = self._files().get(study)
        if found is None:
            do = "Start the service with the study file: headwater serve study.toml"
            raise NotFound("the file of this study is not here", found=f"'{study[:60]}'", do=do)
        return found

    def may_run(self, study: str) -> bool:
        """Return whether the study file is here."""
        return study in self._files()

    def start(self, study: str, *, by: str) -> Progress:
        """Start a run; steps that nothing has changed for are kept.

        Raises
        ------
        NotFound
            If there is no such study file.
        Conflict
            If a run is on its way.
        """
        file = self.file(study)
        with self._lock:
            self._insist_on_peace()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "headwater", "run", str(file)],
                cwd=file.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"},
            )
            _behind(self._process.pid)
            self._began, self._stopping = time.monotonic(), False
            self._last[study] = Progress(study, "running", by)
            follow = threading.Thread(
                target=self._follow, args=(study, self._process, file.parent), daemon=True
            )
            follow.start()
            return self._last[study]

    def _insist_on_peace(self) -> None:
        going = next((one for one in self._last.values() if one.state == "running"), None)
        if going is not None:
            do = "Wait until it has finished, or stop it"
            raise Conflict("a run is on its way", found=f"of {going.study}, by {going.by}", do=do)

    def _follow(self, study: str, process: subprocess.Popen[str], home: Path) -> None:
        lines: deque[str] = deque(maxlen=_LINES)
        with process:
            for line in process.stdout or ():
                lines.append(line.rstrip().replace(f"{home}{os.sep}", "").replace(str(home), "."))
                after = _after(self._last[study], lines[-1])
                with self._lock:
                    self._last[study] = replace(after, lines=(*lines,))
        code = process.returncode
        with self._lock:
            state: State = "finished" if code == 0 else "stopped" if self._stopping else "failed"
            took = time.monotonic() - self._began
            self._last[study] = replace(
                self._last[study], state=state, seconds=took, step="", what=""
            )

    def progress(self, study: str) -> Progress | None:
        """Say how far the last run has come that was started here; None if none was."""
        with self._lock:
            found = self._last.get(study)
            if found is not None and found.state == "running":
                return replace(found, seconds=time.monotonic() - self._began)
            return found

    def going(self) -> str:
        """Name the study that is being run, and its step; empty if none is."""
        with self._lock:
            running = (one for one in self._last.values() if one.state == "running")
            return next((f"{one.study}/{one.step}" for one in running), "")

    def stop(self, study: str) -> None:
        """End a run as Ctrl-C would; what its finished steps gave stays.

        Raises
        ------
        Conflict
            If no run of this study is on its way.
        """
        with self._lock:
            found = self._last.get(study)
            if found is None or found.state != "running" or self._process is None:
                raise Conflict("no run of this study is on its way", found=f"'{study[:60]}'")
            self._stopping = True
            self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End whatever is on its way, and wait for it."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        self._stopping = True
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def _behind(pid: int) -> None:
    """Let a run give way to the service, where the system knows of that."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, pid, 5)


def _after(before: Progress, line: str) -> Progress:
    """Read what a line says of the steps."""
    if line == _REPORT:
        return replace(before, step="report", what=line)
    found = _STEP.fullmatch(line)
    if found is None:
        return before
    step, what = found.groups()
    if what in {"done", "unchanged, kept"}:
        return replace(before, done=(*before.done, step), step="", what="")
    return replace(before, step=step, what=what)
