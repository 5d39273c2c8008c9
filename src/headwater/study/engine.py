"""Run the steps of a study in order, losing at most the one that is running."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import headwater
from headwater.errors import InputError, ProblemsError, StudyError, nearest
from headwater.results import MapResult, Result, fingerprint, with_fingerprint
from headwater.settings import Settings, resolve
from headwater.storage import is_url
from headwater.study.checks import check, survey
from headwater.study.cluster import Cluster, blocks_that_kill, lost_errors
from headwater.study.folder import (
    check_owner,
    claim,
    finished,
    intact,
    log,
    opened,
    replace_folder,
    running_folder,
)
from headwater.study.inputs import read_study_area
from headwater.study.provenance import StepRecord, input_checksums, input_files, write_provenance
from headwater.study.publication import (
    check_publication,
    claim_publication,
    fetch,
    publish,
    publish_step,
    withdraw,
)
from headwater.study.results_io import save_result
from headwater.study.stac_item import write_item
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    import xarray as xr

    from headwater.study.model import Study

__all__ = [
    "MemoryWatch",
    "Progress",
    "run",
    "wanted_steps",
]

_TIMES = 3
_STATM = Path("/proc/self/statm")
_INTERVAL = 0.05
"""How often a step is begun before a scheduler that keeps dying is given up."""


Progress = Callable[[str, float, str], None]
"""``progress(step, fraction_done, what_is_being_done)``."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What all steps of one run share."""

    study: Study
    steps: tuple[Step, ...]
    settings: Settings
    results: Path
    progress: Progress
    inputs: Mapping[str, xr.DataArray] | None
    rehearsal: bool

    def is_read(self, name: str) -> bool:
        """Whether a step takes the results of this one."""
        wanted = (step for step in self.steps if step.options(self.study) is not None)
        return any(name in (*step.needs, *step.after) for step in wanted)


@dataclass(frozen=True, slots=True)
class _Started:
    """A step that is to be computed, under the fingerprint that it will have."""

    run: _Run
    step: Step
    key: str
    inputs: Mapping[str, xr.DataArray]


def wanted_steps(study: Study, steps: Sequence[Step], until: str | None = None) -> tuple[Step, ...]:
    """List the steps that a study asks for, in order.

    Parameters
    ----------
    study : Study
        The study.
    steps : sequence of Step
        All there are, in the order in which they run: :data:`headwater.chapters.STEPS`.
    until : str, optional
        Last step wanted.

    Returns
    -------
    tuple of Step

    Raises
    ------
    StudyError
        If the study has no step `until`.
    ProblemsError
        With all problems of study and inputs, if a step cannot do what the study asks of it.
    """
    try:
        wanted = [step for step in steps if step.options(study) is not None]
    except StudyError as error:
        raise ProblemsError(check(study, steps)) from error
    names = [step.name for step in wanted]
    if until is None:
        return tuple(wanted)
    if until not in names:
        raise StudyError("the study has no such step", found=f"'{until}'", do=nearest(until, names))
    return tuple(wanted[: names.index(until) + 1])


def run(
    study: Study,
    steps: Sequence[Step],
    *,
    settings: Settings | None = None,
    fresh: bool = False,
    until: str | None = None,
    progress: Progress = lambda step, fraction, what: None,
    command: Sequence[str] = (),
    inputs: Mapping[str, xr.DataArray] | None = None,
    rehearsal: bool = False,
) -> tuple[StepRecord, ...]:
    """Compute a study into its results folder.

    A step whose options, inputs and earlier steps have not changed since it finished is skipped;
    so after a crash the same call goes on with the step that was running.

    Parameters
    ----------
    study : Study
        The study, from :func:`headwater.study.read_study`.
    steps : sequence of Step
        All there are, in the order in which they run: :data:`headwater.chapters.STEPS`.
    settings : Settings, optional
        Workers and block size; default: the study file's and the environment's.
    fresh : bool
        Compute every step anew.
    until : str, optional
        Name of the last step wanted.
    progress : callable
        Called with step, fraction done and what is being done.
    command : sequence of str
        The command line, for the provenance.
    inputs : mapping of DataArray, optional
        Opened inputs in which nothing wrong was found; default: they are opened and checked.
    rehearsal : bool
        Whether all results are thrown away: maps that no later step reads are not saved.

    Returns
    -------
    tuple of StepRecord
        How each step went.

    Raises
    ------
    ProblemsError
        With everything that the check of the inputs found, before anything is computed.
    ResumeError
        If the results folder is in use or cannot be written.
    ClusterError
        If processes or the cluster that the settings name cannot be used.
    """
    settings = settings or resolve(study.settings)
    wanted = wanted_steps(study, steps, until)
    with opened(study.results, log_level=settings.log_level) as results:
        check_owner(results, study.file)
        log.info("run of %s, headwater %s", study.file, headwater.__version__)
        try:
            return _run_steps(
                _Run(study, tuple(steps), settings, results, progress, inputs, rehearsal),
                wanted,
                fresh=fresh,
                command=command,
            )
        except KeyboardInterrupt:
            log.warning("interrupted")
            raise
        except Exception:
            log.exception("stopped")
            raise


def _run_steps(
    this: _Run, steps: Sequence[Step], *, fresh: bool, command: Sequence[str]
) -> tuple[StepRecord, ...]:
    inputs = _checksums(this)
    keys = _fingerprints(this.study, wanted_steps(this.study, this.steps), inputs)
    check_publication(this.study)
    fetch(this.study, {} if fresh else keys)
    keep = {name for name in keys if not fresh and _is_whole(this.results, name, keys[name])}
    opened_inputs: Mapping[str, xr.DataArray] = {}
    if any(step.name not in keep for step in steps if not step.needs):
        opened_inputs = _check_first(this) if this.inputs is None else this.inputs
    claim(this.results, this.study.file)
    claim_publication(this.study)
    earlier = _earlier_records(this.results)
    records: list[StepRecord] = []
    idle = all(step.name in keep for step in steps)
    with Cluster(Settings() if idle else this.settings, _paths(this)) as cluster:
        log.info("computed by %s", cluster.about)
        if cluster.spread:
            this.progress(steps[0].name, 0.0, cluster.about)
        for step in steps:
            kept = earlier.get(step.name, StepRecord(step.name, keys[step.name], True, "", 0, 0))
            if step.name in keep:
                log.info("step %s: unchanged, kept", step.name)
                this.progress(step.name, 1.0, "unchanged, kept")
                records.append(kept)
            else:
                started = _Started(this, step, keys[step.name], opened_inputs)
                records.append(_compute_or_renew(started, cluster))
            publish_step(this.study, step.name)
            write_provenance(
                this.results, this.study, inputs=inputs, steps=records, command=command
            )
    _drop_outdated(this, keys)
    write_item(this.results, this.study)
    log.info("finished")
    publish(this.study)
    return tuple(records)


def _is_whole(results: Path, step: str, key: str) -> bool:
    """Say whether a step need not be computed; one whose files were cut must be."""
    if finished(results, step) != key:
        return False
    whole = intact(results, step)
    if not whole:
        log.warning("step %s: its files are not as they were written; computed anew", step)
    return whole


def _checksums(this: _Run) -> dict[str, dict[str, Any]]:
    try:
        return input_checksums(this.study)
    except InputError as error:
        # What cannot be read now is reported together with all that is wrong.
        _check_first(this)
        raise error from None


def _fingerprints(
    study: Study, steps: Sequence[Step], inputs: dict[str, dict[str, Any]]
) -> dict[str, str]:
    """Hash all that each step depends on: code, options, seed, inputs, and the steps before it."""
    keys: dict[str, str] = {}
    sums = {name: facts["sha256"] for name, facts in inputs.items()}
    for step in steps:
        facts = {
            "headwater": headwater.__version__,
            "step": step.name,
            "options": step.options(study),
            "seed": study.seed,
            "season": study.growing_season,
            "needs": [keys[name] for name in (*step.needs, *step.after) if name in keys] or sums,
        }
        text = json.dumps(facts, sort_keys=True, default=str)
        # A study that moves to another folder, with all its files, is still the same study.
        keys[step.name] = fingerprint(text.replace(f"{study.file.parent}/", ""))
    return keys


def _marked(result: Result, key: str, name: str) -> Result:
    """Give a result the hash of its step, and so of all files and options that it depends on."""
    own = (type(result).__name__, result.method, result.choices, result.cautions)
    return with_fingerprint(result, fingerprint(key, name, own))


def _check_first(this: _Run) -> Mapping[str, xr.DataArray]:
    found = survey(this.study, this.steps, chunk_mb=this.settings.chunk_mb)
    for problem in found.problems:
        log.error("%s", problem)
    if found.problems:
        raise ProblemsError(list(found.problems))
    return found.inputs


def _paths(this: _Run) -> list[str]:
    """List what all workers must see: results, and the first file of each input."""
    firsts = [input_files(entry.path)[0] for entry in this.study.inputs.values()]
    return [str(path) if is_url(path) else str(path.resolve()) for path in (this.results, *firsts)]


def _compute_or_renew(started: _Started, cluster: Cluster) -> StepRecord:
    """Compute a step, anew where the scheduler was lost meanwhile: a step is whole or not there."""
    for left in reversed(range(_TIMES)):
        try:
            with blocks_that_kill(started.run.settings.chunk_mb):
                return _compute(started)
        except lost_errors() as error:
            log.warning("step %s: scheduler lost (%r)", started.step.name, error)
            if not (left and cluster.spread):
                raise
            cluster.renew()
    raise AssertionError("the last time raises")


def _compute(started: _Started) -> StepRecord:
    import numpy as np

    this, step, key = started.run, started.step, started.key
    log.info("step %s: started", step.name)
    begun, clock = dt.datetime.now().astimezone(), time.perf_counter()
    this.progress(step.name, 0.0, step.title)
    home = running_folder(this.results, step.name, key, lost=lost_errors())
    with home as folder, MemoryWatch() as memory:
        context = Context(
            study=this.study,
            settings=this.settings,
            folder=folder,
            results=this.results,
            area=read_study_area(this.study),
            rng=np.random.default_rng([this.study.seed, zlib.crc32(step.name.encode())]),
            progress=lambda fraction, what: this.progress(step.name, min(fraction, 0.99), what),
            opened=started.inputs,
            rehearsal=this.rehearsal,
        )
        for name, result in step.run(context).items():
            if this.rehearsal and isinstance(result, MapResult) and not this.is_read(step.name):
                result.data.compute()  # as when it is saved
            else:
                save_result(folder, name, _marked(result, key, name))
        replace_folder(folder, step.name, key)
    record = StepRecord(
        name=step.name,
        fingerprint=key,
        skipped=False,
        started=begun.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
        peak_mb=round(memory.peak_mb, 1),
    )
    log.info("step %s: finished in %.1f s, %.0f MB", step.name, record.seconds, record.peak_mb)
    this.progress(step.name, 1.0, "done")
    return record


def _earlier_records(results: Path) -> dict[str, StepRecord]:
    """Read the times of steps that this run may keep from the last run's provenance."""
    try:
        record = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
        steps = [StepRecord(**step | {"skipped": True}) for step in record["steps"]]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {step.name: step for step in steps}


def _drop_outdated(this: _Run, keys: dict[str, str]) -> None:
    """Remove results of steps that this study, as it now stands, would not give."""
    for step in this.steps:
        stale = this.results / step.name
        if stale.is_dir() and finished(this.results, step.name) != keys.get(step.name):
            log.info("step %s: results of an earlier study file removed", step.name)
            shutil.rmtree(stale, ignore_errors=True)
            withdraw(this.study, [step.name])


class MemoryWatch:
    """Note the most memory held between entering and leaving.

    Attributes
    ----------
    peak_mb : float
        Most resident memory seen, twenty times a second [MB]; where the system does not say,
        the most of the process's whole life, and 0 on Windows.

    Examples
    --------
    >>> with MemoryWatch() as watch:
    ...     squares = [number**2 for number in range(1000)]
    >>> watch.peak_mb > 1.0
    True
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_INTERVAL):
            self._look()

    def _look(self) -> None:
        self.peak_mb = max(self.peak_mb, _resident_mb())


def _resident_mb() -> float:
    if sys.platform == "win32":
        return 0.0
    # There is no such module on Windows.
    resource: Any = import_module("resource")
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        most = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return most / (1e6 if sys.platform == "darwin" else 1e3)
    return float(pages * resource.getpagesize() / 1e6)
