"""Many requests in one: as multipart/mixed, as the standard has it, or as JSON, as OData 4.01 does.

A change set is kept whole or not at all. Requests may name what an earlier one created by a dollar
sign and its identifier in the batch: ``$1`` in an address, or as an ``@iot.id``.

References
----------
OGC 18-088, section 11 (batch requests); OData 4.0 Part 1, section 11.7;
OData JSON 4.01, section 19.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from headwater.errors import HeadwaterError
from headwater.network.sensorthings.errors import UnsupportedMedia, WrongRequest
from headwater.network.sensorthings.messages import Answer, Call, Permit, refusal
from headwater.network.sensorthings.validate import as_object, read_body

if TYPE_CHECKING:
    from email.message import Message

    from headwater.network.sensorthings.service import Service

__all__ = ["run_batch"]

_NAME = re.compile(r"[A-Za-z0-9_.:,;-]{1,100}")


@dataclass(frozen=True, slots=True)
class _Part:
    """One request of a batch; those of a group are kept together or not at all."""

    id: str
    call: Call
    group: str = ""


def run_batch(service: Service, call: Call, permit: Permit) -> Answer:
    """Serve a batch.

    Parameters
    ----------
    service : Service
    call : Call
        POST to ``$batch``.
    permit : callable

    Returns
    -------
    Answer
        200; each request has its own status inside.

    Raises
    ------
    WrongRequest
        If the batch itself cannot be read.
    """
    media = call.content_type.partition(";")[0].strip().lower()
    if media == "multipart/mixed":
        parts = _from_multipart(call)
    elif media in ("", "application/json"):
        parts = _from_json(call)
    else:
        do = "Send multipart/mixed or application/json"
        raise UnsupportedMedia("a batch of an unknown type", found=media[:80], do=do)
    if len(parts) > service.limits.batch:
        found = f"{len(parts)} requests, of {service.limits.batch} at most"
        raise WrongRequest("the batch is too long", found=found, do="Send several")
    answers = _run(service, parts, permit)
    if media == "multipart/mixed":
        return _to_multipart(parts, answers)
    return Answer(200, {"responses": [_to_json(p, a) for p, a in zip(parts, answers, strict=True)]})


def _run(service: Service, parts: list[_Part], permit: Permit) -> list[Answer]:
    """Serve the parts in their order, each group of them in one transaction."""
    answers: list[Answer] = []
    created: dict[str, str] = {}
    at = 0
    while at < len(parts):
        end = at + 1
        while parts[at].group and end < len(parts) and parts[end].group == parts[at].group:
            end += 1
        answers += _group(service, parts[at:end], permit, created)
        at = end
    return answers


def _group(
    service: Service, parts: list[_Part], permit: Permit, created: dict[str, str]
) -> list[Answer]:
    known = dict(created)

    def prepare(call: Call, before: list[Answer]) -> Call:
        if before:
            _remember(known, parts[len(before) - 1].id, before[-1])
        return _resolved(call, known)

    if not parts[0].group:
        answer = service.answer(_resolved(parts[0].call, known), permit)
        _remember(created, parts[0].id, answer)
        return [answer]
    try:
        answers = service.together([part.call for part in parts], permit, prepare)
    except HeadwaterError as error:
        return [refusal(error)] * len(parts)
    for part, answer in zip(parts, answers, strict=True):
        _remember(created, part.id, answer)
    return answers


def _remember(known: dict[str, str], id: str, answer: Answer) -> None:
    link = answer.headers.get("Location")
    if id and link:
        known[id] = link.rsplit("/", 1)[1]


def _resolved(call: Call, known: dict[str, str]) -> Call:
    """Put what was created in the place of its name in the batch."""
    if not known:
        return call
    first, slash, rest = call.path.partition("/")
    path = known.get(first[1:], first) + slash + rest if first.startswith("$") else call.path
    if b'"$' not in call.body:
        return replace(call, path=path)
    body = json.dumps(_named(read_body(call.body), known)).encode()
    return replace(call, path=path, body=body)


def _named(value: object, known: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            name: _id(part, known) if name == "@iot.id" else _named(part, known)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_named(part, known) for part in value]
    return value


def _id(value: object, known: dict[str, str]) -> Any:
    if not isinstance(value, str) or value[1:] not in known or value[0] != "$":
        return value
    inside = known[value[1:]].partition("(")[2][:-1]
    return inside[1:-1] if inside.startswith("'") else int(inside)


def _call(batch: Call, method: object, url: object, body: bytes, content_type: str) -> Call:
    if not isinstance(method, str) or not isinstance(url, str):
        raise WrongRequest("a request of a batch needs method and url")
    try:
        address = urlsplit(url)
    except ValueError:
        raise WrongRequest("not an address", found=url[:80]) from None
    own = urlsplit(batch.root).path.rstrip("/") + "/"
    path = unquote(address.path)
    path = path.removeprefix(own) if path.startswith(own) else path.lstrip("/")
    if path.strip("/") == "$batch":
        raise WrongRequest("a batch inside a batch")
    return Call(method.upper(), path, address.query, body, content_type, batch.root, batch.actor)


def _from_json(call: Call) -> list[_Part]:
    body = as_object(read_body(call.body), "a batch")
    requests = body.get("requests")
    if not isinstance(requests, list):
        raise WrongRequest("a batch without 'requests'")
    parts = []
    for entry in requests:
        request = as_object(entry, "a request of a batch")
        id, group = str(request.get("id", "")), request.get("atomicityGroup")
        if id and not _NAME.fullmatch(id):
            raise WrongRequest("an identifier with unusual signs", found=repr(id)[:60])
        headers = request.get("headers")
        kinds = headers if isinstance(headers, dict) else {}
        media = next((v for k, v in kinds.items() if k.lower() == "content-type"), "")
        content = b"" if "body" not in request else json.dumps(request["body"]).encode()
        inner = _call(call, request.get("method"), request.get("url"), content, str(media))
        parts.append(_Part(id, inner, str(group) if group else ""))
    return parts


def _to_json(part: _Part, answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"id": part.id, "status": answer.status}
    if "Location" in answer.headers:
        found["location"] = answer.headers["Location"]
    if answer.body is not None:
        found["body"] = answer.body
    return found


def _from_multipart(call: Call) -> list[_Part]:
    head = f"Content-Type: {call.content_type}\r\n\r\n".encode("utf-8", "replace")
    try:
        message = message_from_bytes(head + call.body, policy=policy.compat32)
        if not message.is_multipart():
            raise WrongRequest("a multipart batch without parts", do="Check its boundary")
        parts = []
        for number, part in enumerate(_parts_of(message)):
            if not part.is_multipart():
                parts.append(_http_part(call, part, ""))
                continue
            inner = _parts_of(part)
            parts += [_http_part(call, one, f"changeset {number}") for one in inner]
    except (ValueError, LookupError, UnicodeError) as error:
        if isinstance(error, HeadwaterError):
            raise
        raise WrongRequest("the batch cannot be read", found=str(error)[:100]) from None
    return parts


def _parts_of(message: Message[str, str]) -> list[Message[str, str]]:
    found = message.get_payload()
    if not isinstance(found, list):
        raise WrongRequest("a multipart batch without parts", do="Check its boundary")
    return [part for part in found if not isinstance(part, str)]


def _http_part(call: Call, part: Message[str, str], group: str) -> _Part:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        raise WrongRequest("a part of the batch is no request")
    head, _, body = payload.lstrip().replace(b"\r\n", b"\n").partition(b"\n\n")
    line, _, fields = head.decode("utf-8").partition("\n")
    words = line.split()
    if len(words) not in (2, 3):
        raise WrongRequest("a part of the batch does not begin with a request", found=line[:80])
    headers = message_from_bytes(fields.encode(), policy=policy.compat32)
    media = str(headers.get("Content-Type", ""))
    inner = _call(call, words[0], words[1], body.strip(), media)
    return _Part(str(part.get("Content-ID", "")).strip("<> "), inner, group)


def _to_multipart(parts: list[_Part], answers: list[Answer]) -> Answer:
    lines: list[str] = []
    open_group = ""
    for number, (part, answer) in enumerate(zip(parts, answers, strict=True)):
        if open_group and part.group != open_group:
            lines.append(f"--{_token(open_group)}--")
            open_group = ""
        if part.group and part.group != open_group:
            lines += [
                "--batch",
                f"Content-Type: multipart/mixed; boundary={_token(part.group)}",
                "",
            ]
            open_group = part.group
        failed = part.group and answer.status >= 400
        if failed and number and parts[number - 1].group == part.group:
            continue  # a change set that failed has one answer
        lines.append(f"--{_token(part.group) if part.group else 'batch'}")
        lines += _http_answer(part, answer)
    if open_group:
        lines.append(f"--{_token(open_group)}--")
    lines.append("--batch--\r\n")
    text = "\r\n".join(lines)
    return Answer(200, text, media="multipart/mixed; boundary=batch")


def _token(group: str) -> str:
    return group.replace(" ", "_")


def _http_answer(part: _Part, answer: Answer) -> list[str]:
    from http import HTTPStatus

    content = "" if answer.body is None else answer.body
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    known = [f"Content-ID: {part.id}"] if part.id else []
    headers = [f"{name}: {value}" for name, value in answer.headers.items()]
    kind = [f"Content-Type: {answer.media}"] if text else []
    status = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"
    return ["Content-Type: application/http", *known, "", status, *kind, *headers, "", text]
