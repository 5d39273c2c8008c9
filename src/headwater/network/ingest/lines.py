"""The lines of a file, whatever ends them and whatever has happened to some of them."""

from __future__ import annotations

import csv
import gzip
import zlib
from pathlib import Path

from headwater.errors import InputError

__all__ = ["Source", "lines_of", "name_of", "split"]

Source = Path | str | bytes
"""A path, or the content itself."""


def name_of(source: Source) -> str:
    """Name a source for messages, without its folder and ``.gz``."""
    return "" if isinstance(source, bytes) else Path(source).name.removesuffix(".gz")


def lines_of(source: Source, *, whole: bool = True) -> list[str]:
    r"""Read lines that end in CR LF, LF or a bare CR.

    Bytes that are not UTF-8 are read one by one, so that they spoil no more than their line.

    Parameters
    ----------
    source : path or bytes
        A file, compressed or not, or its content.
    whole : bool
        False to leave out a last line without an end, which may still be being written.

    Returns
    -------
    list of str
        Without their ends.

    Raises
    ------
    InputError
        If the file cannot be read.

    Examples
    --------
    >>> lines_of(b"a\rb\r\nc\n\nd", whole=False)
    ['a', 'b', 'c', '']
    """
    content = source if isinstance(source, bytes) else _content(Path(source))
    if content[:2] == b"\x1f\x8b":
        content = _unpacked(content, name_of(source))
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = content.decode("utf-16", "replace").encode()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("utf-8-sig", "backslashreplace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] == "" or not whole:
        del lines[-1]
    return lines


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"cannot read {path}", found=why, do="Check the path") from None


def _unpacked(content: bytes, name: str) -> bytes:
    """Unpack gzip, as far as a file that was cut off goes."""
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error):
        stream = zlib.decompressobj(31)
        try:
            return stream.decompress(content)
        except zlib.error as error:
            do = "Unpack it, or copy it again"
            raise InputError(f"cannot unpack {name}", found=str(error), do=do) from None


def split(line: str, delimiter: str) -> list[str]:
    """Split a line into fields; quotes never reach beyond it.

    Examples
    --------
    >>> split('a,"b,c"', ","), split('a,"b', ","), split("a  b", " ")
    (['a', 'b,c'], ['a', '"b'], ['a', 'b'])
    """
    if delimiter == " ":
        return line.split()
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        return line.split(delimiter)
