"""Apply a JSON Patch to a document.

References
----------
RFC 6902 (JSON Patch) and RFC 6901 (JSON Pointer).
"""

from __future__ import annotations

import copy
from typing import Any

from headwater.network.sensorthings.errors import Conflict, WrongRequest

__all__ = ["apply_patch"]


def apply_patch(document: object, operations: object) -> Any:
    """Apply operations one after the other; the document given stays as it was.

    Parameters
    ----------
    document : JSON value
    operations : list of dict
        Each with ``op`` (add, remove, replace, move, copy, test), ``path``, and ``value`` or
        ``from``.

    Returns
    -------
    JSON value

    Raises
    ------
    WrongRequest
        If an operation is none.
    Conflict
        If a place does not exist, or a test fails.

    Examples
    --------
    >>> apply_patch({"a": [1, 2]}, [{"op": "add", "path": "/a/-", "value": 3}])
    {'a': [1, 2, 3]}
    """
    if not isinstance(operations, list):
        raise WrongRequest("a JSON Patch is a list", found=type(operations).__name__)
    document = copy.deepcopy(document)
    for operation in operations:
        if not isinstance(operation, dict) or operation.get("op") not in _NEEDS:
            do = "Known: " + ", ".join(_NEEDS)
            raise WrongRequest("no operation of JSON Patch", found=repr(operation)[:80], do=do)
        missing = [name for name in _NEEDS[operation["op"]] if name not in operation]
        if missing:
            found = repr(operation)[:80]
            raise WrongRequest(f"an operation without '{missing[0]}'", found=found)
        document = _apply(document, operation)
    return document


_NEEDS = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("from", "path"),
    "copy": ("from", "path"),
    "test": ("path", "value"),
}


def _apply(document: object, operation: dict[str, Any]) -> Any:
    op, path = operation["op"], _pointer(operation["path"])
    if op == "test":
        if _get(document, path) != operation["value"]:
            raise Conflict("a test of the JSON Patch fails", found=operation["path"])
        return document
    if op == "remove":
        return _remove(document, path)
    if op == "replace":
        _get(document, path)
        return _add(_remove(document, path), path, operation["value"])
    if op == "add":
        return _add(document, path, copy.deepcopy(operation["value"]))
    source = _pointer(operation["from"])
    value = copy.deepcopy(_get(document, source))
    if op == "move":
        if path[: len(source)] == source and path != source:
            raise Conflict("a value cannot move into itself", found=operation["path"])
        document = _remove(document, source)
    return _add(document, path, value)


def _pointer(text: object) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise WrongRequest("not a JSON Pointer", found=repr(text)[:60])
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _missing(path: list[str]) -> Conflict:
    return Conflict("the JSON Patch names what is not there", found="/" + "/".join(path)[:80])


def _place(parent: list[Any], name: str, path: list[str], *, last: int) -> int:
    plain = name.isascii() and name.isdecimal() and (name == "0" or name[0] != "0")
    if not plain or len(name) > 9 or int(name) > last:
        raise _missing(path)
    return int(name)


def _get(document: object, path: list[str]) -> Any:
    for name in path:
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list):
            document = document[_place(document, name, path, last=len(document) - 1)]
        else:
            raise _missing(path)
    return document


def _remove(document: object, path: list[str]) -> Any:
    if not path:
        return None
    parent = _get(document, path[:-1])
    if isinstance(parent, list):
        del parent[_place(parent, path[-1], path, last=len(parent) - 1)]
    elif isinstance(parent, dict) and path[-1] in parent:
        del parent[path[-1]]
    else:
        raise _missing(path)
    return document


def _add(document: object, path: list[str], value: object) -> Any:
    if not path:
        return value
    parent = _get(document, path[:-1])
    if isinstance(parent, dict):
        parent[path[-1]] = value
    elif isinstance(parent, list):
        at = len(parent)
        if path[-1] != "-":
            at = _place(parent, path[-1], path, last=len(parent))
        parent.insert(at, value)
    else:
        raise _missing(path)
    return document
