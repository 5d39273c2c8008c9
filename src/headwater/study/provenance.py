"""Where a result came from: versions, inputs, steps; also as an RO-Crate and W3C PROV."""

from __future__ import annotations

import datetime as dt
import glob
import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import headwater
from headwater.errors import InputError
from headwater.storage import facts, find_remote, is_url
from headwater.study.results_io import write_whole

if TYPE_CHECKING:
    from headwater.study.model import Study

__all__ = [
    "CRATE",
    "PROV",
    "StepRecord",
    "checksum",
    "input_checksums",
    "input_files",
    "write_crate",
    "write_provenance",
]

_PACKAGES = (
    *("numpy", "scipy", "pandas", "xarray", "dask", "numba", "zarr", "h5netcdf", "h5py"),
    *("rasterio", "rioxarray", "odc-geo", "pyproj", "shapely", "pyogrio", "scikit-learn"),
    *("matplotlib", "jinja2", "pydantic"),
)
_WHOLE = 1_000_000_000
_ENDS, _LEAST = 1_000_000, 4096
CRATE, PROV = "ro-crate-metadata.json", "prov.json"


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


"""Files in the results folder."""


_CRATE_1_1 = "https://w3id.org/ro/crate/1.1"

_NAMES = "urn:headwater:"


def write_crate(results: Path, name: str, record: Mapping[str, Any]) -> None:
    """Write the lineage of a results folder as RO-Crate 1.1 and as PROV-JSON.

    Parameters
    ----------
    results : Path
        The results folder.
    name : str
        Title of the study.
    record : mapping
        As in ``provenance.json``.

    References
    ----------
    Soiland-Reyes, S., et al. (2022). Packaging research artefacts with RO-Crate. Data Science 5,
    97-138. doi:10.3233/DS-210053
    """
    for file, content in ((CRATE, _crate(name, record)), (PROV, _prov(record))):
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_whole(results / file, partial(Path.write_text, data=text, encoding="utf-8"))


def _crate(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    steps, inputs = record["steps"], record["inputs"]
    about = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _CRATE_1_1},
        "about": {"@id": "./"},
    }
    program = {
        "@id": "#headwater",
        "@type": "SoftwareApplication",
        "name": "Headwater",
        "softwareVersion": record["headwater"],
    }
    lineage = {
        "@id": "provenance.json",
        "@type": "File",
        "name": "Versions, inputs with their SHA-256, steps with their times, and the study file",
        "encodingFormat": "application/json",
    }
    used = (_input(file, facts) for file, facts in inputs.items())
    made = (
        {"@id": f"{step['name']}/", "@type": "Dataset", "name": f"Results of step {step['name']}"}
        for step in steps
    )
    acts = (_action(step, inputs) for step in steps)
    return {
        "@context": f"{_CRATE_1_1}/context",
        "@graph": [about, _root(name, record), program, lineage, *made, *used, *acts],
    }


def _root(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    names = [step["name"] for step in record["steps"]]
    newest = max((step["started"] for step in record["steps"] if step["started"]), default="")
    parts = ("provenance.json", *(f"{step}/" for step in names))
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": f"Results of Headwater {record['headwater']}: maps, tables and a report.",
        "datePublished": newest[:10] or "1970-01-01",
        "license": "Not stated: that of the inputs, and the choice of who publishes the results.",
        "hasPart": [{"@id": part} for part in parts],
        "mentions": [{"@id": f"#{step}"} for step in names],
    }


def _input(file: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@id": f"#input/{file}",
        "@type": "CreativeWork",
        "name": file,
        "identifier": f"sha256:{facts['sha256']}",
        "size": f"{facts['bytes']} bytes",
    }


def _action(step: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    times = {"startTime": step["started"], "endTime": _end(step)} if step["started"] else {}
    return {
        "@id": f"#{step['name']}",
        "@type": "CreateAction",
        "name": f"Step {step['name']}",
        "identifier": step["fingerprint"],
        "instrument": {"@id": "#headwater"},
        "object": [{"@id": f"#input/{file}"} for file in inputs],
        "result": [{"@id": f"{step['name']}/"}],
        **times,
    }


def _prov(record: Mapping[str, Any]) -> dict[str, Any]:
    """Say the same in PROV-JSON: entities, activities, an agent, and what ties them."""
    steps, inputs = record["steps"], record["inputs"]
    entities = {
        f"hw:input{i}": {"prov:label": file, "hw:sha256": facts["sha256"]}
        for i, (file, facts) in enumerate(inputs.items())
    }
    found: dict[str, dict[str, Any]] = {
        "prefix": {"hw": _NAMES},
        "agent": {
            "hw:headwater": {"prov:type": "prov:SoftwareAgent", "hw:version": record["headwater"]}
        },
        "entity": entities,
        "activity": {},
        "used": {},
        "wasGeneratedBy": {},
        "wasAssociatedWith": {},
    }
    for step in steps:
        name, made = f"hw:{step['name']}", f"hw:results-{step['name']}"
        found["activity"][name] = _times(step)
        for i in range(len(inputs)):
            tie = {"prov:activity": name, "prov:entity": f"hw:input{i}"}
            found["used"][f"_:u{step['name']}{i}"] = tie
        entities[made] = {"prov:label": step["name"]}
        tie = {"prov:entity": made, "prov:activity": name}
        found["wasGeneratedBy"][f"_:g{step['name']}"] = tie
        tie = {"prov:activity": name, "prov:agent": "hw:headwater"}
        found["wasAssociatedWith"][f"_:a{step['name']}"] = tie
    return found


def _times(step: Mapping[str, Any]) -> dict[str, str]:
    """Begin and end; nothing of a step whose earlier times are lost."""
    if not step["started"]:
        return {}
    return {"prov:startTime": step["started"], "prov:endTime": _end(step)}


def _end(step: Mapping[str, Any]) -> str:
    begun = dt.datetime.fromisoformat(step["started"])
    return (begun + dt.timedelta(seconds=step["seconds"])).isoformat(timespec="seconds")
