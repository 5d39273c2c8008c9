"""The results folder: one writer at a time, nothing half-written, nothing of others touched."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headwater.errors import ResumeError

__all__ = [
    "FULL",
    "check_folder",
    "check_owner",
    "claim",
    "finished",
    "finished_steps",
    "held",
    "intact",
    "log",
    "opened",
    "replace_folder",
    "running_folder",
]

log = logging.getLogger("headwater")

_LOG, _LOCK, _CARD = "headwater.log", ".lock", "step.json"
_OWNER = ".study"
_RUNNING, _OLD, _WRITING, _LEFT = ".running-", ".old-", ".writing-", ".left-"
_KEY = ".key"
"""In the folder of a running step: the fingerprint that it will have."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a disk, a quota or a limit on files answers to one who writes more than they allow."""
_PATIENCE = 20


@contextmanager
def opened(results: Path, *, log_level: str = "INFO") -> Iterator[Path]:
    """Hold the results folder: lock it, clear what a killed run left, and log to its file.

    Parameters
    ----------
    results : Path
        Made when it is not there.
    log_level : str
        Least severe message that the log file keeps.

    Yields
    ------
    Path
        The folder, for as long as the lock is held.

    Raises
    ------
    ResumeError
        If the folder cannot be written, becomes full, holds other things than results, or is in
        use.
    """
    _make(results)
    with held(results), _logging(results / _LOG, log_level):
        yield results


@contextmanager
def held(results: Path) -> Iterator[None]:
    """Be the only one who writes a results folder, and clear what a killed writer left.

    Parameters
    ----------
    results : Path
        The results folder, which exists.

    Raises
    ------
    ResumeError
        If the folder is in use, or becomes full.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(results / _LOCK)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError) as error:
        raise ResumeError(
            "another run is writing this results folder",
            found=str(results),
            do="Wait until it has finished, or give this study another results folder",
        ) from error
    try:
        for leftover in results.glob(f"{_RUNNING}*"):
            _leave(leftover)
        for mark in (_OLD, _WRITING):
            for leftover in results.glob(f"{mark}*"):
                _remove(leftover)
        with _full_told():
            yield
    finally:
        lock.release()


def check_folder(results: Path) -> None:
    """Refuse a results folder that is a file, or holds other things than results.

    Parameters
    ----------
    results : Path
        The results folder, which need not exist.

    Raises
    ------
    ResumeError
        If nothing could be written there, or other things stand there.
    """
    try:
        entries = {entry.name for entry in results.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_written(error) from error
    if entries and not entries & {_LOG, _LOCK}:
        raise ResumeError(
            "the results folder holds other things than results",
            found=f"{results} with {', '.join(sorted(entries)[:3])}",
            do="Choose an empty or new folder as `results` in [study]",
        )


def check_owner(results: Path, study: Path) -> None:
    """Refuse a results folder in which another study has computed something.

    Parameters
    ----------
    results : Path
        The results folder, which need not exist.
    study : Path
        The study file.

    Raises
    ------
    ResumeError
        If the folder holds the results of another study file.
    """
    try:
        owner = (results / _OWNER).read_text(encoding="utf-8").strip()
    except OSError:
        return
    if not owner or owner == _own(results, study) or not (results / owner).exists():
        return
    if finished_steps(results):
        raise ResumeError(
            "the results folder holds the results of another study",
            found=f"{results}, of {(results / owner).resolve()}",
            do=f'Write results = "results_{study.stem}" in [study] of {study.name}',
        )


def claim(results: Path, study: Path) -> None:
    """Bind a results folder to the study file that it belongs to.

    Parameters
    ----------
    results : Path
        The results folder, which exists and is held.
    study : Path
        The study file.

    Raises
    ------
    ResumeError
        As :func:`check_owner`.
    """
    check_owner(results, study)
    (results / _OWNER).write_text(f"{_own(results, study)}\n", encoding="utf-8")


def _own(results: Path, study: Path) -> str:
    """Name a study file from its results: a study that moves with them is still the same."""
    try:
        return Path(os.path.relpath(study, results)).as_posix()
    except ValueError:
        return study.as_posix()


def _make(results: Path) -> None:
    try:
        results.mkdir(parents=True, exist_ok=True)
        check_folder(results)
        for name in (_LOCK, _LOG):
            (results / name).open("a").close()
    except OSError as error:
        raise _not_written(error) from error


def _not_written(error: OSError) -> ResumeError:
    return ResumeError(
        "the results folder cannot be written",
        found=str(error),
        do="Choose another folder as `results` in [study], or change its permissions",
    )


@contextmanager
def _full_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, ResumeError) or error.errno not in FULL:
            raise
        raise ResumeError(
            "the results folder is full",
            found=str(error),
            do="Make room, then run again; what has finished is kept",
        ) from error


def _remove(path: Path) -> None:
    """Remove a folder, into which threads that were stopped may still be writing, or a file."""
    if path.is_file():
        path.unlink()
    for _ in range(_PATIENCE):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(0.1)


@contextmanager
def _logging(path: Path, level: str) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(level.upper())
    # The log file is the place; a root logger of the caller must not print every line again.
    propagate, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagate
        handler.close()


@contextmanager
def running_folder(
    results: Path, step: str, fingerprint: str = "", *, lost: tuple[type[BaseException], ...] = ()
) -> Iterator[Path]:
    """Give a step its folder under a temporary name, gone again if the step does not finish.

    Parameters
    ----------
    results : Path
        The results folder.
    step : str
        The step's name.
    fingerprint : str
        Hash of all that the step depends on.
    lost : tuple of exception types
        Errors after which the same step will go on.

    Yields
    ------
    Path
        A folder; empty but for the whole Zarr stores of a run with the same fingerprint that died
        or was lost.
    """
    folder = results / f"{_RUNNING}{step}"
    _remove(folder)
    folder.mkdir()
    if fingerprint:
        (folder / _KEY).write_text(fingerprint, encoding="utf-8")
        _restore(results / f"{_LEFT}{step}", folder)
    try:
        yield folder
    except lost:
        _leave(folder)
        raise
    finally:
        _remove(folder)


def _leave(folder: Path) -> None:
    """Keep what a step had finished when its run died, under a name by which it may be restored."""
    left = folder.with_name(folder.name.replace(_RUNNING, _LEFT, 1))
    _remove(left)
    if (folder / _KEY).exists() and any(folder.glob("[!.]*.zarr")):
        folder.replace(left)
    else:
        _remove(folder)


def _restore(left: Path, folder: Path) -> None:
    """Take over the stores of a step with the same fingerprint; a store has its name when whole."""
    key = left / _KEY
    if key.exists() and key.read_text(encoding="utf-8") == (folder / _KEY).read_text("utf-8"):
        for store in left.glob("[!.]*.zarr"):
            log.info("%s: %s kept from the run that died", folder.name, store.name)
            store.replace(folder / store.name)
    _remove(left)


def replace_folder(folder: Path, step: str, fingerprint: str) -> None:
    """Give a step's folder its final name; from here on the step counts as finished.

    Parameters
    ----------
    folder : Path
        From :func:`running_folder`, complete.
    step : str
        The step's name.
    fingerprint : str
        Hash of all that the step depends on.
    """
    (folder / _KEY).unlink(missing_ok=True)
    sizes = {entry.name: _size(entry) for entry in sorted(folder.iterdir())}
    card = {"step": step, "fingerprint": fingerprint, "files": sorted(sizes), "bytes": sizes}
    (folder / _CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    final, old = folder.with_name(step), folder.with_name(f"{_OLD}{step}")
    if final.exists():
        final.replace(old)
    folder.replace(final)
    shutil.rmtree(old, ignore_errors=True)


def finished(results: Path, step: str) -> str | None:
    """Read the fingerprint with which a step has finished.

    Parameters
    ----------
    results : Path
        The results folder.
    step : str
        The step's name.

    Returns
    -------
    str or None
        None if the step has not finished, or one of its files is gone.
    """
    try:
        card = json.loads((results / step / _CARD).read_text(encoding="utf-8"))
        complete = all((results / step / name).exists() for name in card["files"])
        return str(card["fingerprint"]) if complete else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def intact(results: Path, step: str) -> bool:
    """Say whether the files of a finished step are as large as when they were written.

    Parameters
    ----------
    results : Path
        The results folder.
    step : str
        The step's name.

    Returns
    -------
    bool
        False where a file was cut or changed since; true of a step whose sizes nobody wrote down.
    """
    card = json.loads((results / step / _CARD).read_text(encoding="utf-8"))
    sizes: dict[str, int] = card.get("bytes", {})
    return all(_size(results / step / name) == size for name, size in sizes.items())


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a store."""
    if path.is_file():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())


def finished_steps(results: Path) -> list[str]:
    """List the steps whose results lie complete in the folder.

    Parameters
    ----------
    results : Path
        The results folder.

    Returns
    -------
    list of str
        Their names, sorted.
    """
    names = sorted(card.parent.name for card in results.glob(f"[!.]*/{_CARD}"))
    return [name for name in names if finished(results, name)]
