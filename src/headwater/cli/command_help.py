"""Help in plain text: whole sentences, in sections, and a third faster than drawn with boxes."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

__all__ = ["Commands", "WIDTH"]

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
