"""What the pages say can be done: their commands exist, their links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest
import typer.main

from headwater.alerts.rules import read_rules
from headwater.cli import app
from headwater.network.ingest.mapping import read_mapping
from headwater.study import read_study

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
    text = text.replace("\\\n", " ")
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


SOURCES = sorted((ROOT / "src" / "headwater").rglob("*.py"))
ADVISED = re.compile(r"(headwater (?:[a-z][a-z-]*)(?: [^.;,:()\"`*]*)?)")
# with something before it: a text that begins with it is an argument for another program
OPTION = re.compile(r"\s(--[a-z][a-z-]+)")


def messages(source: Path) -> list[str]:
    """Texts of a module that are no docstrings, what is put into them as one letter."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts.append(
                "".join(
                    str(getattr(v, "value", "X")) if isinstance(v, ast.Constant) else "X"
                    for v in node.values
                )
            )
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
    return texts


TOML = re.compile(r"^```toml\n(.*?)^```", re.S | re.M)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.S | re.M)


def blocks(fence: re.Pattern[str]) -> list[tuple[str, str]]:
    found = [(p, text) for p in pages() for text in fence.findall(p.read_text(encoding="utf-8"))]
    return [(str(page.relative_to(ROOT)), text) for page, text in found]


@pytest.mark.parametrize(("page", "lines"), blocks(PYTHON))
def test_python_of_a_page_names_what_is_there(page: str, lines: str) -> None:
    for node in ast.walk(ast.parse(lines, page)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("headwater"):
            module = importlib.import_module(node.module or "")
            lost = [name.name for name in node.names if not hasattr(module, name.name)]
            assert lost == [], f"{node.module} has no {lost}"


NO_STUDY = ("rule", "channels", "duty", "time", "series")
SOME_INPUTS = """
[inputs.soil_moisture]
path = "sm.nc"
[inputs.temperature]
path = "t.nc"
[inputs.elevation]
path = "dem.tif"
"""


@pytest.mark.parametrize(("page", "lines"), blocks(TOML))
def test_toml_of_a_page_is_read(page: str, lines: str, tmp_path: Path) -> None:
    file, given = tmp_path / "given.toml", tomllib.loads(lines)
    file.write_text(lines, encoding="utf-8")
    if "series" in given:
        assert read_mapping(file).rules
    elif "channels" in given:
        assert read_rules(file).rule
    if given.keys() & set(NO_STUDY):
        return
    whole = "" if "study" in given else "[study]\n"
    if "name" not in given.get("study", {}):
        lines = lines.removeprefix("[study]\n")
        whole = '[study]\nname = "A"\n'
    whole += "" if given.keys() & {"inputs", "samples"} else SOME_INPUTS
    file.write_text(whole + lines, encoding="utf-8")
    study = read_study(file)
    assert study.inputs or study.samples


def every_option(command: click.Command) -> set[str]:
    own = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    parts = getattr(command, "commands", {}).values()
    return own.union({"--help"}, *(every_option(part) for part in parts))


def test_advice_in_messages_can_be_followed() -> None:
    known, wrong, seen = every_option(program()), {}, 0
    for source in SOURCES:
        for text in messages(source):
            for call in re.findall(r"(?:^|[:,`'] ?|with |by |run )" + ADVISED.pattern, text):
                words = call.split()
                if len(words) > 1 and words[1] in program().commands:
                    seen += 1
                    why = problem_of(" ".join(word for word in words if word != "X"))
                    wrong |= {call: why} if why else {}
            for option in OPTION.findall(text):
                seen += 1
                if option not in known:
                    wrong[f"{source.name}: {option}"] = "no such option"
    assert seen > 30
    assert wrong == {}


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
    report = re.search(r"^    (plots\.csv: .*)\n    (.*)$", page, re.M)
    assert report is not None
    for line in report.groups():
        assert line in result.output


@pytest.mark.parametrize("study", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.stem)
def test_a_study_whose_data_is_elsewhere_says_where(study: Path) -> None:
    text = study.read_text(encoding="utf-8")
    assert "../shared/" in text, "it runs in a plain clone: say so in this test"
    assert re.search(r"^# The data are not in a clone\. They are from https://", text, re.M)
