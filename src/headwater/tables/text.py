"""Bytes as text: the encoding of a file, found and named."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from headwater.errors import InputError
from headwater.storage import local_copy, path_of

__all__ = [
    "Source",
    "Text",
    "decode",
    "for_spreadsheet",
    "is_chinese",
    "name_of",
    "read_bytes",
    "read_text",
]

Source = Path | str | bytes
"""A path, or the content itself."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a file.

    Attributes
    ----------
    text : str
    encoding : str
        In words.
    guesses : tuple of str
        What was assumed.
    """

    text: str
    encoding: str
    guesses: tuple[str, ...] = ()


def for_spreadsheet(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would take for a formula.

    Examples
    --------
    >>> for_spreadsheet("=HYPERLINK(1)"), for_spreadsheet("Upper"), for_spreadsheet("")
    ("'=HYPERLINK(1)", 'Upper', '')
    """
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def name_of(source: Source) -> str:
    """Name a source for messages, without its folder and ``.gz``."""
    return "" if isinstance(source, bytes) else path_of(source).name.removesuffix(".gz")


def read_bytes(source: Source) -> bytes:
    """Read a file, unpacked where it is compressed with gzip.

    Parameters
    ----------
    source : path or bytes

    Returns
    -------
    bytes
        Of a compressed file that was cut off, what can be unpacked.

    Raises
    ------
    InputError
        If the file cannot be read or unpacked.

    Examples
    --------
    >>> read_bytes(gzip.compress(b"a,b"))
    b'a,b'
    """
    content = source if isinstance(source, bytes) else _content(local_copy(path_of(source)))
    return _unpacked(content, name_of(source)) if content[:2] == b"\x1f\x8b" else content


def read_text(source: Source, *, encoding: str | None = None) -> Text:
    """Read a text file in whatever encoding it has.

    Parameters
    ----------
    source : path or bytes
    encoding : str, optional
        Where it is known.

    Returns
    -------
    Text

    Raises
    ------
    InputError
        If the file cannot be read, or is not text in the encoding given.

    Examples
    --------
    >>> read_text("海拔,3200".encode("gbk")).encoding
    'GB18030'
    """
    return decode(read_bytes(source), name=name_of(source), encoding=encoding)


def decode(content: bytes, *, name: str = "", encoding: str | None = None) -> Text:
    """Turn bytes into text.

    A mark at the beginning decides; then UTF-8, where the bytes are valid; then GB18030, where they
    come in pairs as Chinese does; else the Western code page 1252, which is reported as a guess.
    Text that Big5 or Shift-JIS reads as words is refused, with the key that settles it.

    Parameters
    ----------
    content : bytes
    name : str
        Of the file, for messages.
    encoding : str, optional

    Returns
    -------
    Text

    Raises
    ------
    InputError
        If the bytes are not text in the encoding given, look like another of East Asia, or are not
        text at all.

    Examples
    --------
    >>> decode("Höhe".encode("latin-1")).text
    'Höhe'
    """
    if encoding is not None:
        return _given(content, encoding, name)
    marked = _marked(content, name)
    if marked is not None:
        return marked
    try:
        return Text(content.decode("utf-8"), "UTF-8")
    except UnicodeDecodeError:
        return _older(content, name)


def _marked(content: bytes, name: str) -> Text | None:
    for mark, codec, words in _MARKS:
        if content.startswith(mark):
            return Text(_strict(content, codec, name), words)
    wide = _wide(content)
    return Text(_strict(content, wide, name), "UTF-16 without a byte order mark") if wide else None


def _older(content: bytes, name: str) -> Text:
    """Decode what is older than Unicode."""
    if is_chinese(content):
        _refuse_korean(content, name)
        return Text(content.decode("gb18030"), "GB18030")
    _refuse_other_asian(content, name)
    guess = (
        f"{name or 'the file'} is not UTF-8 and was read as Windows-1252 (Western); "
        "encoding settles it"
    )
    try:
        return Text(content.decode("cp1252"), "Windows-1252", (guess,))
    except UnicodeDecodeError:
        return Text(
            content.decode("latin-1"), "Latin-1", (guess.replace("Windows-1252", "Latin-1"),)
        )


_SYLLABLES = frozenset(
    "가간강개거건것게겨경계고곡공과관구국군권그금급기길김나남내년노는농다단대더도동되드들등라량러력"
    "로료류르름리림마만면명모목무문물미민바반발방백번보부북분비빙사산상생서석선설성세소속수순습시"
    "식신실심아안암압액야양어에여역연열영오온용우운울원월위유율으은을음의이인일임입자작장재저적전"
    "점정제조종주중증지직진집차채천철체초추축출층치타탄태토통트특파판평포표품풍하학한함합해행험현형"
    "호화환황회효후흐희"
)
"""The most frequent syllables of Korean: a sixth of all, which random ones hit rarely."""


def _refuse_korean(content: bytes, name: str) -> None:
    """Refuse what EUC-KR reads as Korean words, and GB18030 as Chinese ones without sense."""
    try:
        words = re.findall(r"[\uac00-\ud7a3]+", content.decode("cp949"))
    except UnicodeDecodeError:
        return
    letters = "".join(words)
    if len(letters) < 2 or sum(letter in _SYLLABLES for letter in letters) < 0.6 * len(letters):
        return
    word = max(words, key=len)[:12]
    other = word.encode("cp949").decode("gb18030", "replace")
    raise InputError(
        f"{name or 'the file'} is not UTF-8, and looks Korean",
        found=f"as euc_kr '{word}'; as gb18030 '{other}'",
        do='Write encoding = "euc_kr" or encoding = "gb18030", or save the file as UTF-8',
    )


# Codecs of East Asia, and the bytes that begin their common characters.
_ASIAN = {"big5": range(0xA1, 0xC7), "shift_jis": range(0x81, 0x99), "gbk": range(0)}
_ODD = set("¤¥¦¬¨¯¶¸¹»¼¾¡¢®˜•ƒ„†‡ˆ‹›Ž") | {chr(code) for code in range(0x80, 0xA0)}
"""Signs that hardly any Western table holds, and many begin characters of East Asia."""


def _refuse_other_asian(content: bytes, name: str) -> None:
    """Refuse text that is of East Asia in all likelihood, where it is not sure in which codec."""
    western = [letter for letter in content.decode("cp1252", "replace") if ord(letter) > 127]
    odd = sum(letter in _ODD or letter == "\ufffd" for letter in western)
    garbled = odd >= 2 and odd >= 0.25 * len(western)
    found = {}
    for codec, leads in _ASIAN.items():
        try:
            words = re.findall(r"[^\x00-\x7f]+", content.decode(codec))
        except UnicodeDecodeError:
            continue
        if words and (garbled or _is_common(words, codec, leads)):
            found[codec] = max(words, key=len)[:12]
    if found:
        keys = " or ".join(f'encoding = "{codec}"' for codec in found)
        raise InputError(
            f"{name or 'the file'} is not UTF-8, and looks East Asian",
            found="; ".join(f"as {codec} '{word}'" for codec, word in found.items()),
            do=f"Write {keys}, or save the file as UTF-8",
        )


def _is_common(words: list[str], codec: str, leads: range) -> bool:
    """Whether common characters stand next to each other.

    In Western text letters with accents stand alone, and begin other characters.
    """
    letters = "".join(words)
    common = sum(letter.encode(codec)[0] in leads for letter in letters)
    together = sum(len(word) for word in words if len(word) > 1)
    return common >= 0.8 * len(letters) and together >= 0.5 * len(letters)


def _given(content: bytes, encoding: str, name: str) -> Text:
    try:
        text = content.decode(encoding)
    except LookupError:
        do = "Use one that Python knows, such as utf-8, gbk, gb18030, utf-16 or latin-1"
        raise InputError("unknown encoding", found=f"'{encoding}'", do=do) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name or 'the file'} is not {encoding}",
            found=str(error),
            do="Correct the encoding, or leave it out to have it found",
        ) from None
    return Text(text.removeprefix("\ufeff"), encoding)


def _strict(content: bytes, codec: str, name: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name or 'the file'} begins as {codec} and goes on as something else",
            found=str(error),
            do="Save it anew as UTF-8",
        ) from None


def _wide(content: bytes) -> str:
    """Recognise UTF-16 without a mark by the zeros of its ASCII half."""
    head = content[:4000]
    if b"\0" not in head or len(head) < 4:
        return ""
    half = len(head) // 2
    even, odd = head[0::2].count(0) / half, head[1::2].count(0) / half
    if max(even, odd) > 0.3 and min(even, odd) < 0.1:
        return "utf-16-le" if odd > even else "utf-16-be"
    raise InputError("the file is not text", found="zero bytes", do="Give CSV, TSV or XLSX")


def is_chinese(content: bytes) -> bool:
    """Distinguish Chinese from Western by what stands in bytes above ASCII.

    Letters with accents stand alone between ASCII letters; Chinese characters are pairs, of which
    nearly all in use are in GB 2312, where both bytes are 0xA1 or more. Signs that it lacks are
    four bytes, high and digit in turn, as no Western text has them.
    """
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return False
    # 0xA8 begins the dashes of GBK, and is a lone diaeresis in Western text
    rest = re.sub(rb"(?:[\x81-\xfe][0-9]){2}|(?<![\x80-\xff])\xa8[\x40-\x95]", b"", content)
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", rest)]
    paired = sum(n for n in runs if n % 2 == 0)
    strange = [letter for letter in text if ord(letter) > 127]
    common = sum(map(_is_usual, strange))
    return paired >= 0.5 * sum(runs) and common >= 0.8 * len(strange)


def _is_usual(letter: str) -> bool:
    """Whether a character stands where GB 2312 has its own, or is written in four bytes.

    Rows 0xAA to 0xAF are empty there, and those of the most common characters of Big5.
    """
    code = letter.encode("gb18030")
    empty = 0xAA <= code[0] <= 0xAF
    return len(code) == 4 or code[0] == 0xA8 or (min(code) >= 0xA1 and not empty)


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
