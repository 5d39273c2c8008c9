"""A small client of a SensorThings service that waits for it and tries again."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from headwater.errors import DataError, InputError

__all__ = ["Client", "service_url"]

_AGAIN = frozenset({429, 502, 503, 504, 507})
_LONGEST_WAIT = 30.0


def service_url(text: str) -> str:
    """Complete the address of a service.

    Raises
    ------
    InputError
        If it is no address of HTTP.

    Examples
    --------
    >>> service_url("http://localhost:8000"), service_url("https://example.org/v1.1/")
    ('http://localhost:8000/v1.1', 'https://example.org/v1.1')
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        do = "Write it as http://localhost:8000"
        raise InputError("not the address of a service", found=repr(text), do=do)
    url = text.rstrip("/")
    return url if url.endswith("/v1.1") else f"{url}/v1.1"


@dataclass(frozen=True, slots=True)
class Client:
    """Asks a service, patiently.

    Whatever is sent twice is there once, because an observation is known by its series and time;
    so a request whose answer was lost is simply sent again.

    Attributes
    ----------
    url : str
        Root of the service, such as ``http://localhost:8000/v1.1``.
    key : str or None
        Sent along where there is one.
    patience : float
        How long to try while the service is away, busy or full [s].
    report : callable
        Hears, in words, why it waits.
    """

    url: str
    key: str | None = None
    patience: float = 60.0
    report: Callable[[str], None] = lambda words: None

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request and read the JSON that comes back.

        Parameters
        ----------
        method : str
        path : str
            Below the root, percent-encoded where needed.
        body : JSON value, optional

        Returns
        -------
        JSON value
            None where the answer is empty.

        Raises
        ------
        DataError
            If the service refuses, or does not answer in time.
        """
        until, pause = time.monotonic() + self.patience, 0.25
        while True:
            try:
                return self._once(method, path, body)
            except HTTPError as error:
                words, wait = _sentence(error), _seconds(error)
                if error.code not in _AGAIN or time.monotonic() > until:
                    do = "Give a key that may write with --key" if error.code in (401, 403) else ""
                    raise DataError("the service refused", found=words, do=do) from None
            except (OSError, http.client.HTTPException) as error:
                reason = error.reason if isinstance(error, URLError) else error
                words, wait = str(reason) or type(error).__name__, 0.0
                if time.monotonic() > until:
                    do = "Start it with headwater serve, or correct the address"
                    found = f"{self.url}: {words}"
                    raise DataError("the service does not answer", found=found, do=do) from None
            self.report(f"waiting for the service: {words}")
            time.sleep(min(max(pause, wait), _LONGEST_WAIT))
            pause = min(pause * 2, 5.0)

    def _once(self, method: str, path: str, body: object) -> Any:
        headers = {"Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        address = f"{self.url}/{path}".replace(" ", "%20")
        request = Request(address, data=data, headers=headers, method=method)
        with urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def _sentence(error: HTTPError) -> str:
    try:
        held = json.loads(error.read())
        return str(held["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"{error.code} {error.reason}"
    finally:
        error.close()


def _seconds(error: HTTPError) -> float:
    text = error.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0
