"""The lines of a file, whatever ends them and whatever has happened to some of them."""

from __future__ import annotations

import csv

from headwater.tables.text import Source, decode, is_chinese, name_of, read_bytes

__all__ = ["lines_of", "split"]


def lines_of(source: Source, *, whole: bool = True, encoding: str | None = None) -> list[str]:
    r"""Read lines that end in CR LF, LF or a bare CR.

    Files are UTF-8, UTF-16 with its mark, or Chinese (GB18030). Bytes that are none of these are
    read one by one, so that they spoil no more than their line.

    Parameters
    ----------
    source : path or bytes
        A file, compressed or not, or its content.
    whole : bool
        False to leave out a last line without an end, which may still be being written.
    encoding : str, optional
        Where it is known.

    Returns
    -------
    list of str
        Without their ends.

    Raises
    ------
    InputError
        If the file cannot be read, or is not in the encoding given.

    Examples
    --------
    >>> lines_of(b"a\rb\r\nc\n\nd", whole=False)
    ['a', 'b', 'c', '']
    """
    text = _text(read_bytes(source), name_of(source), encoding)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] == "" or not whole:
        del lines[-1]
    return lines


def _text(content: bytes, name: str, encoding: str | None) -> str:
    """Decode a file of which some lines may be damaged."""
    if encoding is not None:
        return decode(content, name=name, encoding=encoding).text
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        codec = "gb18030" if is_chinese(content) else "utf-8-sig"
        return content.decode(codec, "backslashreplace")


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
