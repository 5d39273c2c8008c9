"""Lineage in words that other programs read: an RO-Crate and W3C PROV, from the provenance."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from headwater.study.results_io import write_whole

__all__ = ["CRATE", "PROV", "write_crate"]

CRATE, PROV = "ro-crate-metadata.json", "prov.json"
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
