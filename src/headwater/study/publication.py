"""Results at a URL: computed into a folder here, published step by step, the mark of each last."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import ResumeError
from headwater.storage import open_system, patiently, plain_errors
from headwater.study.folder import finished, finished_steps, log

if TYPE_CHECKING:
    from headwater.study.model import Study

__all__ = ["check_publication", "claim_publication", "fetch", "publish", "publish_step", "withdraw"]

_CARD, _OWNER, _LAST = "step.json", ".study", "provenance.json"
_AT_ONCE = 8
"""Files that travel at once."""
_OURS = ("headwater.log", _OWNER, _LAST)


@contextmanager
def _shelf(url: str) -> Iterator[tuple[Any, str]]:
    """Give the file system and the path on it; what it refuses becomes a sentence."""
    with plain_errors(url, ResumeError):
        system, root = open_system(url)
        system.invalidate_cache()
        yield system, root.rstrip("/")


def check_publication(study: Study) -> None:
    """Refuse a URL of results that cannot be reached, or that holds something else.

    Parameters
    ----------
    study : Study
        Whose results may be at a URL; nothing is looked at where they are in a folder.

    Raises
    ------
    ResumeError
        If there is no such bucket, it may not be read, or it holds the results of another study or
        other things than results.
    """
    url = study.results_url
    if url is None:
        return
    with _shelf(url) as (system, root):
        bucket = root.partition("/")[0]
        patiently(lambda: system.ls(bucket))
        held = _names(system, root)
        owner = _text(system, f"{root}/{_OWNER}")
        if owner is None and held and not held & {*_OURS}:
            raise ResumeError(
                "the URL of the results holds other things than results",
                found=f"{url} with {', '.join(sorted(held)[:3])}",
                do="Give an empty or new URL as `results` in [study]",
            )
        if owner not in (None, _identity(study)) and _cards(system, root):
            raise ResumeError(
                "the URL of the results holds the results of another study",
                found=f"{url}, of {str(owner).strip()}",
                do=f"Write another URL as `results` in [study] of {study.file.name}, such as "
                f'"{url.rstrip("/")}_{study.file.stem}"',
            )


def claim_publication(study: Study) -> None:
    """Bind a URL of results to its study, which also shows whether it may be written.

    Parameters
    ----------
    study : Study

    Raises
    ------
    ResumeError
        As :func:`check_publication`, and if it may not be written.
    """
    check_publication(study)
    if study.results_url is not None:
        with _shelf(study.results_url) as (system, root):
            patiently(lambda: system.pipe_file(f"{root}/{_OWNER}", _identity(study).encode()))


def fetch(study: Study, keys: Mapping[str, str] | None = None) -> None:
    """Bring finished steps here that lie at the URL of the results only.

    Parameters
    ----------
    study : Study
    keys : mapping, optional
        Fingerprints by step: of these, the steps that would be computed as they are there. All
        steps unless given.

    Raises
    ------
    ResumeError
        If the URL cannot be read.
    """
    if study.results_url is None:
        return
    with _shelf(study.results_url) as (system, root):
        for step, mark in _cards(system, root).items():
            wanted = mark if keys is None else keys.get(step)
            if mark == wanted and finished(study.results, step) != mark:
                log.info("step %s: fetched from %s", step, study.results_url)
                _bring(system, f"{root}/{step}", study.results / step)


def publish_step(study: Study, step: str) -> None:
    """Publish a finished step: its mark is removed first, and comes back when all else is there.

    Parameters
    ----------
    study : Study
    step : str
        Its name; nothing is sent where the same step is there already.

    Raises
    ------
    ResumeError
        If the URL cannot be written.
    """
    if study.results_url is None:
        return
    home = study.results / step
    with _shelf(study.results_url) as (system, root):
        there = f"{root}/{step}"
        card = (home / _CARD).read_text(encoding="utf-8")
        if _text(system, f"{there}/{_CARD}") == card:
            return
        withdraw(study, [step])
        files = {
            path.relative_to(home).as_posix(): path
            for path in sorted(home.rglob("*"))
            if path.is_file() and path != home / _CARD
        }
        _send(system, there, files)
        _compare(system, there, files)
        _send(system, there, {_CARD: home / _CARD})
    log.info("step %s: published at %s", step, study.results_url)


def withdraw(study: Study, steps: Iterable[str]) -> None:
    """Remove published steps, the mark of each first.

    Parameters
    ----------
    study : Study
    steps : iterable of str
        Their names.

    Raises
    ------
    ResumeError
        If the URL cannot be written.
    """
    if study.results_url is None:
        return
    with _shelf(study.results_url) as (system, root):
        for step in steps:
            there = f"{root}/{step}"
            found = _found(system, there)
            if f"{there}/{_CARD}" in found:
                patiently(partial(system.rm_file, f"{there}/{_CARD}"))
            rest = [name for name in found if name != f"{there}/{_CARD}"]
            if rest:
                patiently(partial(system.rm, rest))
        system.invalidate_cache()


def publish(study: Study) -> None:
    """Publish what belongs to no step: report, figures, tables, log, and the provenance last.

    Parameters
    ----------
    study : Study

    Raises
    ------
    ResumeError
        If the URL cannot be written.
    """
    if study.results_url is None:
        return
    home, steps = study.results, set(finished_steps(study.results))
    files = {
        path.relative_to(home).as_posix(): path
        for path in sorted(home.rglob("*"))
        if path.is_file()
        and path.relative_to(home).parts[0] not in steps
        and not path.relative_to(home).parts[0].startswith(".")
    }
    last = files.pop(_LAST, None)
    with _shelf(study.results_url) as (system, root):
        _send(system, root, files)
        if last is not None:
            _send(system, root, {_LAST: last})


def _identity(study: Study) -> str:
    """Name a study wherever it is run: by its file's name and its title."""
    return f"{study.file.name}: {study.name}\n"


def _names(system: Any, root: str) -> set[str]:
    """List what lies directly at the URL."""
    try:
        listed = patiently(lambda: system.ls(root, detail=False))
    except FileNotFoundError:
        return set()
    return {name.rstrip("/").rpartition("/")[2] for name in listed} - {"", root.rpartition("/")[2]}


def _found(system: Any, there: str) -> dict[str, int]:
    """List all objects below, with their sizes [bytes]."""
    system.invalidate_cache()
    listed = patiently(lambda: system.find(there, detail=True))
    return {name: int(about.get("size") or 0) for name, about in listed.items()}


def _cards(system: Any, root: str) -> dict[str, str]:
    """Fingerprints of the steps that are complete at the URL."""
    cards = {}
    for name in _names(system, root):
        text = _text(system, f"{root}/{name}/{_CARD}")
        if text is not None:
            cards[name] = str(json.loads(text)["fingerprint"])
    return cards


def _text(system: Any, path: str) -> str | None:
    try:
        return bytes(patiently(lambda: system.cat_file(path))).decode()
    except (FileNotFoundError, IsADirectoryError):
        return None


def _send(system: Any, there: str, files: Mapping[str, Path]) -> None:
    def send(name: str) -> None:
        patiently(partial(system.put_file, str(files[name]), f"{there}/{name}"))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(send, files))


def _compare(system: Any, there: str, files: Mapping[str, Path]) -> None:
    """See that all has arrived before the mark says so."""
    found = _found(system, there)
    sizes = {name: path.stat().st_size for name, path in files.items()}
    lost = [name for name, size in sizes.items() if found.get(f"{there}/{name}") != size]
    if lost:
        raise ResumeError(
            "results did not arrive whole",
            found=f"{len(lost)} of {len(files)} files, such as {there}/{lost[0]}",
            do="Run again: what has finished is kept, and is sent anew",
        )


def _bring(system: Any, there: str, home: Path) -> None:
    """Fetch a step under a temporary name, and give it its own when it is whole."""
    import shutil

    part = home.with_name(f".running-{home.name}")
    shutil.rmtree(part, ignore_errors=True)
    names = [name.removeprefix(f"{there}/") for name in _found(system, there)]

    def bring(name: str) -> None:
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        patiently(lambda: system.get_file(f"{there}/{name}", str(part / name)))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(bring, names))
    shutil.rmtree(home, ignore_errors=True)
    part.replace(home)
