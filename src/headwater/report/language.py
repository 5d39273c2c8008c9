"""The report in another language: sentences by their templates, from a gettext catalogue.

A catalogue is a ``.po`` file, so that any translation program can edit it. A message of it is a
sentence or a word of the report; what changes from study to study stands in braces, as in
``"Map of {name}."``. A sentence is translated by the template that it fits, and what stands in the
braces is translated in its turn.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["ENGLISH", "Translator", "read_catalogue", "translate_figure", "translator_of"]

_HOLE = re.compile(r"\{(\w+)\}")
_SENTENCE = re.compile(r"(?<=[.!?])(?<!et al\.)\s+")
_UNITS = "mm|km|m|kg|g|d|ha|h|s|p|q|n|r|R|V|F|°C|°E|°N|°W|°S|EPSG|NDVI|CRPS|VSMOW|H|O|year"
_NO_WORDS = re.compile(
    rf"(?:[^A-Za-z]|(?<![A-Za-z])(?:{_UNITS})(?![A-Za-z]))*|[A-Z]{{1,6}}|[a-e]{{1,5}}|[\w./-]+\.\w{{1,5}}"
)
"""What is the same in every language: numbers with units, symbols, names of files."""
_NUMBERS = frozenset("nkyctp")
"""Names of what stands in braces that is a number, which keeps templates apart."""
_NUMBER = r"[+−-]?\d[\d\u202f\u00a0 .,–-]*%?"
_PER_YEAR = "year⁻¹"
"""The one unit that is a word."""
_SPECIFIC = 16
"""Fixed letters from which on a template fits although a name in its braces is unknown."""
_DEPTH = 6


@dataclass(frozen=True, slots=True)
class _Template:
    pattern: re.Pattern[str]
    wanted: str
    fixed: int


@dataclass(frozen=True, slots=True)
class Translator:
    """Translates what a catalogue knows, and remembers what it does not.

    Attributes
    ----------
    language : str
        Code of the language: en, zh.
    words : mapping of str
        Messages without braces.
    templates : tuple
        Messages with braces, those with most fixed letters first.
    missing : dict
        As keys, what had no translation.
    names : dict
        As keys, names within sentences that stay as they are.
    """

    language: str
    words: Mapping[str, str] = field(default_factory=dict)
    templates: tuple[_Template, ...] = ()
    missing: dict[str, None] = field(default_factory=dict, compare=False)
    names: dict[str, None] = field(default_factory=dict, compare=False)
    _known: dict[str, str] = field(default_factory=dict, compare=False)

    def __call__(self, text: str) -> str:
        """Translate a text: whole, or else sentence by sentence.

        Parameters
        ----------
        text : str
            In English.

        Returns
        -------
        str
            The text itself where the catalogue does not know it.
        """
        if self.language == "en" or not text.strip():
            return text
        if text not in self._known:
            exact = self.words.get(" ".join(text.split()))
            said = exact if exact is not None else self._in_parts(text)
            self._known[text] = said.replace(_PER_YEAR, self.words.get(_PER_YEAR, _PER_YEAR))
        return self._known[text]

    def word(self, text: str) -> str:
        """Translate a word of a table, which may as well be a name that has no translation.

        Parameters
        ----------
        text : str
            In English.

        Returns
        -------
        str
        """
        if self.language == "en":
            return text
        return self.line(text) or text

    def line(self, text: str) -> str | None:
        """Translate what is known as a whole, and give None for what is not.

        Parameters
        ----------
        text : str
            In English.

        Returns
        -------
        str or None
        """
        return self._whole(text, _DEPTH)

    def head(self, text: str) -> str:
        """Translate the head of a column, where a word may mean another thing than in a sentence.

        Parameters
        ----------
        text : str
            In English; the catalogue has it as it is, or after ``"column|"``.

        Returns
        -------
        str
        """
        return self.words.get(f"column|{text}") or self(text)

    def _in_parts(self, text: str) -> str:
        done = []
        for part in _SENTENCE.split(text):
            found = self._whole(part, _DEPTH) or self._nearly(part)
            if found is None:
                self.missing[part] = None
            done.append(part if found is None else found)
        return "".join(done)

    def _whole(self, text: str, depth: int) -> str | None:
        """Translate a text that is a message or fits a template; None where it is neither."""
        plain = " ".join(text.split())
        for known in (plain, plain[:1].upper() + plain[1:]):
            if known in self.words:
                return self.words[known]
        if _NO_WORDS.fullmatch(plain):
            return text
        if not depth:
            return None
        for template in self.templates:
            match = template.pattern.fullmatch(plain)
            held = {} if match is None else match.groupdict()
            found = {name: self._item(name, value, depth - 1) for name, value in held.items()}
            if found and None not in found.values():
                return _filled(template, found)
        return None

    def _item(self, name: str, text: str, depth: int) -> str | None:
        """Translate what stands in braces: a word or a sentence, or in ``{list}`` several.

        What stands in ``{own}`` is a name of the user's own and stays.
        """
        if name.startswith("own"):
            return text
        if name != "list":
            return self._whole(text, depth)
        parts = [part for part in _LIST.split(text) if part]
        done = [_MARKS.get(part) or self._whole(part, depth) for part in parts]
        return None if None in done else "".join(map(str, done))

    def _nearly(self, text: str) -> str | None:
        """Translate by the most specific template, names of its own kept as they are."""
        plain = " ".join(text.split())
        for template in self.templates:
            match = template.pattern.fullmatch(plain)
            if match is not None and template.fixed >= _SPECIFIC:
                held = match.groupdict()
                found = {name: self._item(name, value, _DEPTH) for name, value in held.items()}
                self.names.update({held[name]: None for name in held if found[name] is None})
                return _filled(template, {name: found[name] or held[name] for name in held})
        return None


def _filled(template: _Template, found: Mapping[str, str | None]) -> str:
    return _HOLE.sub(lambda hole: str(found[hole[1]]), template.wanted)


_LIST = re.compile(r"(; )|(, )(?![^()]*\))|( and )(?![^()]*\))")
_MARKS = {", ": "、", " and ": "和", "; ": "；"}

ENGLISH = Translator("en")
"""The language in which the report is written."""


def read_catalogue(text: str) -> dict[str, str]:
    r"""Read the messages of a ``.po`` file.

    Parameters
    ----------
    text : str
        Its content.

    Returns
    -------
    dict of str to str
        Translations by message, without the head and without what has no translation.

    Examples
    --------
    >>> read_catalogue('msgid "Soil"\nmsgstr "土"\n')
    {'Soil': '土'}
    """
    found: dict[str, str] = {}
    parts: dict[str, list[str]] = {"msgid": [], "msgstr": []}
    current = "msgid"
    for line in [*text.splitlines(), "msgid"]:
        key, _, rest = line.partition(" ")
        if key == "msgid":
            found["".join(parts["msgid"])] = "".join(parts["msgstr"])
            parts = {"msgid": [], "msgstr": []}
        current = key if key in parts else current
        quoted = rest if key in parts else line
        if quoted.startswith('"'):
            parts[current].append(ast.literal_eval(quoted))
    return {message: wanted for message, wanted in found.items() if message and wanted}


@cache
def _catalogue(language: str, package: str) -> tuple[dict[str, str], tuple[_Template, ...]]:
    text = files(package).joinpath(f"locale/{language}.po").read_text(encoding="utf-8")
    messages = read_catalogue(text)
    words = {msg: wanted for msg, wanted in messages.items() if not _HOLE.search(msg)}
    templates = [_template(msg, wanted) for msg, wanted in messages.items() if _HOLE.search(msg)]
    return words, tuple(sorted(templates, key=lambda one: -one.fixed))


def _template(message: str, wanted: str) -> _Template:
    parts = _HOLE.split(message)
    seen: set[str] = set()
    pattern = ""
    for i, part in enumerate(parts):
        if i % 2 == 0:
            pattern += re.escape(part)
        else:
            inside = _NUMBER if part in _NUMBERS else ".+?"
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>{inside})"
            seen.add(part)
    return _Template(re.compile(pattern, re.DOTALL), wanted, sum(map(len, parts[::2])))


def translator_of(language: str, package: str = "headwater.report") -> Translator:
    """Make the translator of a language.

    Parameters
    ----------
    language : str
        Its code: en, zh.
    package : str
        Whose folder ``locale`` has the catalogue.

    Returns
    -------
    Translator
        That of English changes nothing.

    Examples
    --------
    >>> translator_of("zh")("Soil moisture")
    '土壤水分'
    """
    return ENGLISH if language == "en" else Translator(language, *_catalogue(language, package))


def translate_figure(figure: Figure, translator: Translator) -> None:
    """Translate the words of a figure in place.

    Parameters
    ----------
    figure : Figure
        Drawn, its layout not yet solved.
    translator : Translator
        Of the language wanted.
    """
    from matplotlib.text import Text

    if translator.language == "en":
        return
    for text in figure.findobj(Text):
        words = text.get_text()
        if words.strip():
            # lines that say a thing each stay lines; a broken sentence is translated whole
            lines = [translator.line(line) for line in words.split("\n")]
            known = [line for line in lines if line is not None]
            text.set_text("\n".join(known) if len(known) == len(lines) else translator(words))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            _translate_ticks(axis, translator)


def _translate_ticks(axis: Axis, translator: Translator) -> None:
    """Translate words given as labels of ticks, which are written anew at each drawing."""
    from matplotlib.category import StrCategoryLocator
    from matplotlib.ticker import FixedLocator

    if isinstance(axis.get_major_locator(), FixedLocator | StrCategoryLocator):
        places = axis.get_majorticklocs()
        found = [label.get_text() for label in axis.get_majorticklabels()]
        wanted = [translator(words) for words in found]
        if wanted != found and len(wanted) == len(places):
            axis.set_ticks(places, labels=wanted)
