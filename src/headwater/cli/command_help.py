"""Help in plain text: whole sentences, in sections, and a third faster than drawn with boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

__all__ = ["Commands", "WIDTH", "parted"]

WIDTH = {"max_content_width": 100}
"""Context setting of an application: lines as long as the terminal, up to this."""


class Commands(TyperGroup):
    """A group of commands that lists them in sections, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sections, in the order in which their first commands were added.

        Parameters
        ----------
        ctx : Context
        formatter : HelpFormatter
        """
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            panel = getattr(command, "rich_help_panel", None)
            title = panel if isinstance(panel, str) else "Commands"
            text = (command.short_help or command.help or "").partition("\n\n")[0]
            sections.setdefault(title, []).append((name, " ".join(text.split())))
        widest = max((len(name) for rows in sections.values() for name, _ in rows), default=0)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), text) for name, text in rows])


_SEVERAL = {"--coordinates": 2, "--classes": 2, "--bbox": 4}
"""Options of several values, which may be joined by commas: lon,lat."""


def parted(words: Sequence[str]) -> list[str]:
    """Part values of an option that are joined by commas, as its help shows them.

    Parameters
    ----------
    words : sequence of str
        As typed.

    Returns
    -------
    list of str

    Examples
    --------
    >>> parted(["detect", "t.csv", "--coordinates", "lon,lat"])
    ['detect', 't.csv', '--coordinates', 'lon', 'lat']
    """
    found: list[str] = []
    for place, word in enumerate(words):
        values = word.split(",")
        count = _SEVERAL.get(words[place - 1], 0) if place else 0
        found += values if len(values) == count else [word]
    return found
