"""Where a result came from: versions, the study file, the inputs, the steps and their times."""

from __future__ import annotations

import glob
import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import headwater
from headwater.errors import InputError
from headwater.storage import facts, find_remote, is_url
from headwater.study.crate import write_crate
from headwater.study.results_io import write_whole

if TYPE_CHECKING:
    from headwater.study.model import Study

__all__ = ["StepRecord", "checksum", "input_checksums", "input_files", "write_provenance"]

_PACKAGES = (
    *("numpy", "scipy", "pandas", "xarray", "dask", "numba", "zarr", "h5netcdf", "h5py"),
    *("rasterio", "rioxarray", "odc-geo", "pyproj", "shapely", "pyogrio", "scikit-learn"),
    *("matplotlib", "jinja2", "pydantic"),
)
_WHOLE = 1_000_000_000
_ENDS, _LEAST = 1_000_000, 4096


@dataclass(frozen=True, slots=True)
class StepRecord:
    """How one step went.

    Attributes
    ----------
    name : str
        The step.
    fingerprint : str
        Hash of all that it depends on.
    skipped : bool
        Whether its earlier results were kept.
    started : str
        When it was computed, local time with offset.
    seconds : float
        How long it took [s].
    peak_mb : float
        Most memory that the process held while it ran [MB].
    """

    name: str
    fingerprint: str
    skipped: bool
    started: str
    seconds: float
    peak_mb: float


def input_files(path: str | Sequence[str]) -> list[Path]:
    """List the files that an input's path means, globs unfolded and sorted.

    Parameters
    ----------
    path : str or sequence of str
        As in the study file, absolute.

    Returns
    -------
    list of Path
        Only those that exist.
    """
    patterns = [path] if isinstance(path, str) else list(path)
    remote = [file for each in patterns if is_url(each) for file in find_remote(each)]
    named = [Path(pattern) for pattern in patterns if not is_url(pattern)]
    found = (
        [file] if file.exists() else [Path(hit) for hit in sorted(glob.glob(str(file)))]  # noqa: PTH207
        for file in named
    )
    return [*remote, *(file for files in found for file in files)]


def checksum(path: Path) -> dict[str, Any]:
    """Sum up a file, or a folder such as a Zarr store.

    Parameters
    ----------
    path : Path
        File or folder.

    Returns
    -------
    dict
        ``bytes``, ``sha256``, and ``of``, which says what was hashed: ``"content"``; beyond 1 GB,
        ``"size, time of change, first and last bytes"`` of each file, together a hundredth of it
        and at most two megabytes. By URL, what storage says of names, sizes and states is hashed.
    """
    if is_url(path):
        return facts(path)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    size = sum(file.stat().st_size for file in files)
    digest = hashlib.sha256()
    if path.is_file() and size <= _WHOLE:
        with path.open("rb") as stream:
            return {
                "bytes": size,
                "of": "content",
                "sha256": hashlib.file_digest(stream, "sha256").hexdigest(),
            }
    for file in files:
        digest.update(file.relative_to(path).as_posix().encode())
        _feed(digest, file, whole=size <= _WHOLE)
    of = "names and content" if size <= _WHOLE else "size, time of change, first and last bytes"
    return {"bytes": size, "of": of, "sha256": digest.hexdigest()}


def _feed(digest: Any, file: Path, *, whole: bool) -> None:
    with file.open("rb") as stream:
        if whole:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
            return
        facts = file.stat()
        digest.update(f"{facts.st_size} {facts.st_mtime_ns}".encode())
        # a store of thousands of files would else be read whole
        ends = min(_ENDS, max(_LEAST, facts.st_size // 200))
        digest.update(stream.read(ends))
        stream.seek(max(stream.tell(), facts.st_size - ends))
        digest.update(stream.read(ends))


def input_checksums(study: Study) -> dict[str, dict[str, Any]]:
    """Sum up every file that the study reads.

    Parameters
    ----------
    study : Study
        The study.

    Returns
    -------
    dict
        By path, relative to the study file where it lies below it.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    paths: list[str | Sequence[str]] = []
    for entry in study.inputs.values():
        paths.append(entry.path)
        if entry.georeference is not None:
            paths.append(entry.georeference.path)
    if study.samples is not None:
        paths.append(study.samples.path)
        paths += study.samples.files_of_sources()
    if study.restoration is not None:
        named = (study.restoration.units, study.restoration.measures)
        paths += [path for path in named if path is not None]
    if study.area is not None and study.area.path is not None:
        paths.append(study.area.path)
    files = {file for path in paths for file in input_files(path)}
    try:
        return {_name(file, study.file.parent): checksum(file) for file in sorted(files, key=str)}
    except OSError as error:
        raise InputError(
            "an input cannot be read", found=str(error), do="Correct its path or its permissions"
        ) from error


def _name(file: Path, folder: Path) -> str:
    if is_url(file):
        return str(file)
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def write_provenance(
    results: Path,
    study: Study,
    *,
    inputs: dict[str, dict[str, Any]],
    steps: Iterable[StepRecord],
    command: Sequence[str] = (),
) -> Path:
    """Write ``provenance.json``, and the same as RO-Crate and as W3C PROV next to it.

    Parameters
    ----------
    results : Path
        The results folder.
    study : Study
        The study.
    inputs : dict
        From :func:`input_checksums`.
    steps : iterable of StepRecord
        The steps so far.
    command : sequence of str
        The command line, where there was one.

    Returns
    -------
    Path
        The file.
    """
    text = study.text
    record = {
        "headwater": headwater.__version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "command": list(command),
        "study_file": {
            "path": str(study.file),
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "text": text,
        },
        "inputs": inputs,
        "steps": [asdict(step) for step in steps],
    }
    path = results / "provenance.json"
    content = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda to: to.write_text(content, encoding="utf-8"))
    write_crate(results, study.name, record)
    return path


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
