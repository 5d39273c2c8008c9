"""Answers of the platform: JSON, CSV and blocks, small on the line, refusals in three parts."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from headwater.errors import HeadwaterError, ProblemsError, ResumeError
from headwater.network.sensorthings.errors import Refused, TooMany
from headwater.network.store.protocol import StoreError
from headwater.tables.text import for_spreadsheet

__all__ = ["answer_block", "answer_csv", "answer_error", "answer_json", "in_chinese", "numbers"]

_SMALL = 1400
"""Bytes below which an answer is not worth packing: it fits into one packet."""
_SAFE = {"X-Content-Type-Options": "nosniff"}


def numbers(values: Iterable[float], digits: int = 5) -> list[float | None]:
    """Write numbers with so many significant digits; what is missing as null.

    Examples
    --------
    >>> numbers([0.123456789, float("nan"), 3.0])
    [0.12346, None, 3.0]
    """
    return [float(f"{v:.{digits}g}") if math.isfinite(v) else None for v in map(float, values)]


def _plain(value: object) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} in an answer")


def _packed(request: Request, body: bytes, media: str, headers: dict[str, str]) -> Response:
    headers = {**_SAFE, "Vary": "Accept-Encoding, Cookie", **headers}
    if len(body) > _SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=5)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=media, headers=headers)


def answer_json(
    request: Request, content: object, *, headers: dict[str, str] | None = None
) -> Response:
    """Answer with JSON that is not kept by anybody on the way."""
    body = json.dumps(
        content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
    ).encode()
    return _packed(
        request, body, "application/json", {"Cache-Control": "no-store", **(headers or {})}
    )


def answer_csv(
    request: Request, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Response:
    """Answer with a table that a spreadsheet opens.

    Text that a spreadsheet would take for a formula is written as one takes it for text.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    named = "".join(c if c.isalnum() or c in "-_." else "-" for c in name if c.isascii())
    reported = {"Content-Disposition": f'attachment; filename="{named or "table"}.csv"'}
    body = b"\xef\xbb\xbf" + text.getvalue().encode()
    return _packed(
        request, body, "text/csv; charset=utf-8", {"Cache-Control": "no-store", **reported}
    )


def _cell(value: object) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return for_spreadsheet(value) if isinstance(value, str) else value


def answer_block(request: Request, packed: bytes, tag: str, *, fixed: bool) -> Response:
    """Answer with the bytes of a block.

    Parameters
    ----------
    request : Request
    packed : bytes
        Gzip.
    tag : str
        Of the result that they are of.
    fixed : bool
        Whether the address names the result, so that the bytes can be kept for ever.
    """
    headers = {**_SAFE, "ETag": f'"{tag}"', "Vary": "Accept-Encoding"}
    headers["Cache-Control"] = (
        "private, max-age=31536000, immutable" if fixed else "private, no-cache"
    )
    if request.headers.get("if-none-match") == f'"{tag}"':
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(packed, media_type="application/octet-stream", headers=headers)
    return Response(gzip.decompress(packed), media_type="application/octet-stream", headers=headers)


def answer_error(request: Request, error: HeadwaterError) -> Response:
    """Answer with a refusal: what was wrong, what was found, what to do.

    ``message`` is in the language that the request accepts; the parts are for programs.
    """
    message = str(error)
    if request.headers.get("accept-language", "").startswith("zh"):
        message = in_chinese(error)
    body = {"wrong": error.wrong, "found": error.found, "do": error.do, "message": message}
    headers = {**_SAFE, "Cache-Control": "no-store"}
    if isinstance(error, TooMany):
        headers["Retry-After"] = "60"
    return Response(
        json.dumps(body, ensure_ascii=False).encode(), _status(error), headers, "application/json"
    )


def in_chinese(error: HeadwaterError) -> str:
    """Say a refusal in Chinese; what the catalogue does not know stays as it is.

    Examples
    --------
    >>> from headwater.network.sensorthings.errors import WrongRequest
    >>> in_chinese(WrongRequest("not a date", found="July", do="Write it as 2021-07-15"))
    '不是日期。实际：July。请写作 2021-07-15。'
    """
    from headwater.report.language import translator_of

    if isinstance(error, ProblemsError):
        return "\n".join(map(in_chinese, error.problems))
    say = translator_of("zh", "headwater.web")
    parts = [say(error.wrong), f"实际：{error.found}" if error.found else "", say(error.do)]
    return "".join(f"{part.rstrip('.')}。" for part in parts if part)


def _status(error: HeadwaterError) -> int:
    if isinstance(error, Refused):
        return error.status
    return 503 if isinstance(error, ResumeError | StoreError) else 400
