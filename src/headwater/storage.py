"""Files by URL, as paths: found, read patiently, copied where a library must have them on a disk.

Credentials, endpoints and the like come from the usual environment of fsspec's file systems: the
variables ``AWS_…``, ``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_…``, ``FSSPEC_…`` and the
files that these name.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from headwater.errors import HeadwaterError, InputError
from headwater.installation import install_hint

__all__ = [
    "RangeFile",
    "Tries",
    "facts",
    "find_remote",
    "is_there",
    "is_url",
    "local_copy",
    "open_range",
    "open_system",
    "path_of",
    "patiently",
    "plain_errors",
    "read_part",
]

log = logging.getLogger("headwater")

_T = TypeVar("_T")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_ZARR = (".zmetadata", "zarr.json", ".zgroup")
_PATIENCE = 150.0
"""How long storage that answers with errors of its own is tried again [s]."""
_NOBODY = 15.0
"""How long storage that does not answer at all is tried again [s]."""
_PAUSES = (0.5, 8.0)
"""First and longest pause between tries [s]."""
_SILENT = ("EndpointConnectionError", "ClientConnectorError", "ConnectTimeoutError")
_FINAL = (
    *(FileNotFoundError, PermissionError, FileExistsError, IsADirectoryError),
    HeadwaterError,
)
_BUSY = (408, 425, 429)
_SENTENCES = {
    "package": ("{url} cannot be opened", ""),
    "protocol": (
        "{url} cannot be opened",
        "Begin it with s3://, gs://, az://, https:// or file://",
    ),
    "credentials": (
        "no credentials for {url}",
        "Set those of the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
        "AWS_PROFILE; for public data FSSPEC_S3_ANON=true",
    ),
    "access": (
        "storage refuses access to {url}",
        "Correct the credentials of the environment, or let the owner of the bucket grant this "
        "right; storage also answers so where there is no such object",
    ),
    "bucket": ("there is no bucket for {url}", "Correct its name, or make it first"),
    "nothing": ("there is nothing at {url}", "Correct the URL; case matters"),
    "failure": (
        "storage fails at {url}",
        f"It was tried for up to {_PATIENCE:g} s. Check the endpoint (AWS_ENDPOINT_URL) and the "
        "network, then run again: what has finished is kept",
    ),
}
"""What is wrong, and what to do."""
_BLOCK = 65_536
"""Small reads, of metadata, are of whole blocks [bytes]; larger ones of what is asked for."""
_KEPT = 256
"""Blocks that an open file keeps."""


def is_url(text: str | os.PathLike[str]) -> bool:
    """Whether a path lies in object storage or on a server.

    Parameters
    ----------
    text : str or path

    Returns
    -------
    bool

    Examples
    --------
    >>> is_url("s3://bucket/cube.zarr"), is_url("data/cube.zarr"), is_url("C:/data/cube.zarr")
    (True, False, False)
    """
    return bool(_SCHEME.match(str(text)))


def path_of(text: str | os.PathLike[str]) -> Path:
    """Make a path of a file here, or of one by URL; both are used alike.

    Parameters
    ----------
    text : str or path

    Returns
    -------
    Path
        Of a URL, a ``upath.UPath``, which has the methods of a path.

    Raises
    ------
    InputError
        If the package that reads such URLs is not installed.

    Examples
    --------
    >>> path_of("https://example.org/soil/sm_2020.nc").name
    'sm_2020.nc'
    """
    if not is_url(text):
        return Path(text)
    with plain_errors(str(text)):
        from upath import UPath

        return cast(Path, UPath(str(text)))


@contextmanager
def plain_errors(url: str, kind: type[HeadwaterError] = InputError) -> Iterator[None]:
    """Say in a sentence why storage does not give or take what lies at a URL.

    Parameters
    ----------
    url : str
    kind : type of HeadwaterError
        Of the error that is raised.

    Raises
    ------
    HeadwaterError
        In place of what the file systems raise.

    Examples
    --------
    >>> with plain_errors("s3://bucket/sm.nc"):
    ...     raise PermissionError("Access Denied")
    Traceback (most recent call last):
    headwater.errors.InputError: storage refuses access to s3://bucket/sm.nc. Found: Access ...
    """
    try:
        yield
    except HeadwaterError as error:
        raise (
            error if isinstance(error, kind) else kind(error.wrong, found=error.found, do=error.do)
        ) from error
    except Exception as error:
        wrong, do = _sentence(error, url)
        found = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise kind(wrong, found=found, do=do) from error


def _sentence(error: Exception, url: str) -> tuple[str, str]:
    """Say what is wrong, and what to do."""
    kind, text = type(error).__name__.lower(), str(error).lower()
    gone = isinstance(error, FileNotFoundError)
    cases = {
        "package": isinstance(error, ImportError),
        "protocol": "protocol not known" in text,
        "credentials": "credentials" in kind + text,
        "access": isinstance(error, PermissionError) or _status(error) in (401, 403),
        "bucket": gone and ("bucket" in text or "container" in text),
        "nothing": gone,
    }
    case = next((name for name, holds in cases.items() if holds), "failure")
    wrong, do = _SENTENCES[case]
    return wrong.format(url=url), do if case != "package" else install_hint("cloud")


def _status(error: BaseException) -> int | None:
    """Find the status with which a server answered, in the error or in its cause."""
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0) or None
        for name in ("status", "status_code", "code"):
            number = getattr(each, name, None)
            if isinstance(number, int | str) and str(number).isdigit():
                return int(number)
    return None


def _waits(error: Exception) -> float:
    """How long to try again after this error [s]; 0 where it will not go away."""
    if isinstance(error, _FINAL):
        return 0.0
    if any(kind.__name__ in _SILENT for kind in type(error).__mro__):
        return _NOBODY
    status = _status(error)
    if status is not None:
        return _PATIENCE if status >= 500 or status in _BUSY else 0.0
    if isinstance(error, ConnectionRefusedError):
        return _NOBODY
    module = type(error).__module__.partition(".")[0]
    passing = isinstance(error, OSError) or module in ("aiohttp", "botocore", "fsspec")
    sure = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EINVAL, errno.EROFS)
    return _PATIENCE if passing and not sure and "Credentials" not in type(error).__name__ else 0.0


class Tries:
    """When to try again: after pauses that double, until patience with that error is spent.

    For what cannot be a function without arguments, as :func:`patiently` wants it.

    Examples
    --------
    >>> Tries().pause_after(OSError("503"))
    0.5
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._pause, self._longest = _PAUSES

    def pause_after(self, error: Exception) -> float:
        """How long to wait now [s]; raises the error where it is enough."""
        if time.monotonic() - self._begun > _waits(error):
            raise error
        if self._pause > 2 * _PAUSES[0]:
            log.warning("storage: %s; trying again", str(error)[:200] or type(error).__name__)
        pause = self._pause
        self._pause = min(2 * pause, self._longest)
        return pause


def patiently(act: Callable[[], _T]) -> _T:
    """Do what storage may fail at for a while, again after pauses that double.

    Parameters
    ----------
    act : callable
        Without arguments; it must bear being begun again.

    Returns
    -------
    object
        What it returned.

    Notes
    -----
    Answers of 5xx, 408 and 429 and broken connections are tried again for 150 s, storage that does
    not answer at all for 15 s. What is not there or not allowed is raised at once.

    Examples
    --------
    >>> answers = iter([OSError("503"), b"ok"])
    >>> def ask():
    ...     answer = next(answers)
    ...     if isinstance(answer, OSError):
    ...         raise answer
    ...     return answer
    >>> patiently(ask)
    b'ok'
    """
    tries = Tries()
    while True:
        try:
            return act()
        except Exception as error:
            time.sleep(tries.pause_after(error))


def open_system(url: str) -> tuple[Any, str]:
    """Open the file system of a URL.

    Parameters
    ----------
    url : str

    Returns
    -------
    system : fsspec.AbstractFileSystem
    path : str
        Of the URL, on it.

    Raises
    ------
    InputError
        If the package that speaks this protocol is not installed.
    """
    import fsspec

    with plain_errors(url):
        return cast("tuple[Any, str]", fsspec.url_to_fs(url))


def find_remote(url: str) -> list[Path]:
    """List the files that a URL means: one, or those that its pattern fits.

    Parameters
    ----------
    url : str
        Of a file or a Zarr store; ``*`` and ``?`` stand for parts of names where storage can be
        listed.

    Returns
    -------
    list of Path
        Sorted.

    Raises
    ------
    InputError
        If there is none, or storage does not answer or refuses.
    """
    system, root = open_system(url)
    path = path_of(url)
    with plain_errors(url):
        system.invalidate_cache()
        # what follows "?" in a web address is a query
        if any(sign in url for sign in ("*[" if url.startswith("http") else "*?[")):
            hits = patiently(lambda: sorted(system.glob(root)))
            if not hits:
                raise InputError(
                    "no file fits the pattern", found=url, do="Correct the pattern or the folder"
                )
            return [path_of(system.unstrip_protocol(hit)) for hit in hits]
        try:
            patiently(lambda: system.info(root))
        except FileNotFoundError:
            # a server of files has no folders, but a Zarr store has its metadata
            if all(read_part(path / name) is None for name in _ZARR):
                raise
    return [path]


def is_there(url: str) -> bool:
    """Whether a file, on a disk or by URL, can be reached from this process.

    Parameters
    ----------
    url : str

    Returns
    -------
    bool
    """
    if not is_url(url):
        return Path(url).exists()
    try:
        return bool(find_remote(url))
    except InputError:
        return False


def read_part(path: Path, end: int | None = None) -> bytes | None:
    """Read a file by URL from its beginning.

    Parameters
    ----------
    path : Path
        From :func:`path_of`.
    end : int, optional
        How much of it [bytes]; all unless given.

    Returns
    -------
    bytes or None
        None where there is no such file; it may be a folder.
    """
    system, root = open_system(str(path))
    part = {} if end is None else {"start": 0, "end": end}
    with plain_errors(str(path)):
        try:
            return bytes(patiently(lambda: system.cat_file(root, **part)))
        except (FileNotFoundError, IsADirectoryError):
            return None


def facts(path: Path) -> dict[str, Any]:
    """Sum up what lies at a URL by what storage says of it, reading nothing.

    Parameters
    ----------
    path : Path
        From :func:`path_of`.

    Returns
    -------
    dict
        ``bytes``, ``sha256`` of names, sizes, entity tags and times, and ``of``, which says so. Of
        a Zarr store on a server that cannot be listed, its metadata is hashed.
    """
    url = str(path)
    system, root = open_system(url)
    of, digest, size = "names, sizes, entity tags and times", hashlib.sha256(), 0
    with plain_errors(url):
        try:
            listed = patiently(lambda: system.find(root, detail=True)) or {root: system.info(root)}
        except (FileNotFoundError, NotImplementedError):
            listed = {}
        for name, found in sorted(listed.items()):
            size += int(found.get("size") or 0)
            tags = [
                str(found.get(key) or "")
                for key in ("size", "ETag", "etag", "md5Hash", "LastModified", "mtime", "updated")
            ]
            digest.update("\n".join((name.removeprefix(root), *tags)).encode())
        if not listed:
            of = "metadata of the store"
            for name in _ZARR:
                digest.update(read_part(path / name) or b"")
    return {"bytes": size, "of": of, "sha256": digest.hexdigest()}


class RangeFile(io.RawIOBase):
    r"""A file by URL that reads what is asked of it, in ranges and patiently.

    It can be sent to another process, which opens it anew.

    Parameters
    ----------
    url : str

    Examples
    --------
    >>> import fsspec
    >>> fsspec.filesystem("memory").pipe("/a/b.bin", bytes(range(10)))
    >>> with RangeFile("memory://a/b.bin") as file:
    ...     _ = file.seek(4)
    ...     file.read(2)
    b'\x04\x05'
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url, self._at = url, 0
        self._system, self._root = open_system(url)
        with plain_errors(url):
            self._size = int(patiently(lambda: self._system.info(self._root))["size"])
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def __reduce__(self) -> tuple[type[RangeFile], tuple[str]]:
        return RangeFile, (self.url,)

    def __dask_tokenize__(self) -> tuple[str, str, int]:
        return "RangeFile", self.url, self._size

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Where the next read begins [bytes]."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to where the next read begins."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(origin + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read as much as the buffer holds, or is left."""
        end = min(self._at + len(buffer), self._size)
        data = self._between(self._at, end) if end > self._at else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _between(self, start: int, end: int) -> bytes:
        if end - start >= _BLOCK:
            return self._fetched(start, end)
        first, last = start // _BLOCK, (end - 1) // _BLOCK
        data = b"".join(self._block(number) for number in range(first, last + 1))
        return data[start - first * _BLOCK : end - first * _BLOCK]

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            start = number * _BLOCK
            self._blocks[number] = self._fetched(start, min(start + _BLOCK, self._size))
            if len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetched(self, start: int, end: int) -> bytes:
        def fetch() -> bytes:
            data = bytes(self._system.cat_file(self._root, start=start, end=end))
            if len(data) != end - start:
                raise OSError(f"{self.url}: {len(data)} bytes came where {end - start} were asked")
            return data

        return patiently(fetch)


def open_range(url: str, mode: str = "rb", **_: Any) -> RangeFile:
    """Open a file by URL as GDAL asks for it: what is not there is so in GDAL's own way.

    Parameters
    ----------
    url : str
    mode : str
        Files are read only.

    Returns
    -------
    RangeFile

    Raises
    ------
    FileNotFoundError
        If there is none: GDAL also asks for files that may go with it.
    """
    if "w" in mode or "a" in mode or "+" in mode:
        raise PermissionError(errno.EACCES, "files by URL are read only", url)
    try:
        return RangeFile(url)
    except InputError as error:
        raise FileNotFoundError(errno.ENOENT, str(error), url) from error


def local_copy(path: Path) -> Path:
    """Copy a file by URL into the cache of this machine, where a library reads from disks only.

    Parameters
    ----------
    path : Path
        From :func:`path_of`; one of this machine is returned as it is.

    Returns
    -------
    Path
        Under ``$XDG_CACHE_HOME/headwater`` (``~/.cache/headwater``), in a folder of its own for
        each state of the file, so that a changed file is copied anew.

    Raises
    ------
    InputError
        If it cannot be had.
    """
    url = str(path)
    if not is_url(url):
        return path
    system, root = open_system(url)
    key = hashlib.sha256(f"{url} {facts(path)['sha256']}".encode()).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater" / key
    copy = home / path.name
    if copy.exists():
        return copy
    home.mkdir(parents=True, exist_ok=True)
    part = home / f".{os.getpid()}-{path.name}"
    with plain_errors(url):
        try:
            patiently(lambda: system.get_file(root, str(part)))
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)
    return copy
