"""What the pages say can be done: their commands exist, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest
import typer.main

from headwater.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NOT_OURS = ("_build", "auto_gallery", "docs/api")
FENCE = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.S | re.M)
INDENTED = re.compile(r"^    (headwater .*)$", re.M)
INLINE = re.compile(r"`(headwater [a-z][^`\n]*)`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")


def pages() -> list[Path]:
    return [page for page in PAGES if not any(part in str(page) for part in NOT_OURS)]


def commands(text: str) -> list[str]:
    """Every call of our program in a page, without its comments."""
    lines = [line.strip() for block in FENCE.findall(text) for line in block.splitlines()]
    lines += [line.strip() for line in INDENTED.findall(text)]
    lines += INLINE.findall(text)
    calls = [call.strip() for line in lines for call in re.split(r"&&|\||;", line.split(" #")[0])]
    return [call for call in calls if call.startswith("headwater ")]


@cache
def program() -> click.Command:
    return typer.main.get_command(app)


def problem_of(call: str) -> str | None:
    """What the command line would not understand in a call."""
    command = program()
    words = shlex.split(call.replace("…", "").replace("'", ""))[1:]
    while words and hasattr(command, "commands"):
        if words[0].startswith("-") or words[0] not in command.commands:
            known = {"--version", "--help", *(o for p in command.params for o in p.opts)}
            return None if words[0] in known else f"no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word not in known]
    return f"no option {unknown[0]}" if unknown else None


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_exist(page: Path) -> None:
    wrong = {call: problem_of(call) for call in commands(page.read_text(encoding="utf-8"))}
    assert {call: why for call, why in wrong.items() if why} == {}


def test_commands_are_found_at_all() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(commands(text)) > 5
    assert problem_of("headwater run --no-such-option") == "no option --no-such-option"
    assert problem_of("headwater no-such-command") == "no command 'no-such-command'"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    lost = [target for target in targets if not (page.parent / target).exists()]
    assert lost == []


def test_the_table_of_the_first_steps_gives_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    table = re.search(r"^```\n(plot,.*?)^```", page, re.S | re.M)
    call = next(call for call in commands(page) if call.startswith("headwater detect plots"))
    assert table is not None
    monkeypatch.chdir(tmp_path)
    Path("plots.csv").write_text(table[1], encoding="utf-8")
    result = CliRunner().invoke(app, shlex.split(call)[1:])
    assert result.exit_code == 0
    assert "land_cover" in result.output
    assert "0.863" in result.output
