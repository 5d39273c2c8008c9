"""What stands in deploy/: every command, option, extra and package in it exists."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
import typer.main
import yaml

from headwater.cli import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# what conda-forge calls otherwise
CONDA = {"dask[array]": "dask-core", "lazy-loader": "lazy_loader", "matplotlib": "matplotlib-base"}


def check_call(words: list[str]) -> None:
    """Fail where our command line would not take these words."""
    command: click.Command = typer.main.get_command(app)
    assert words[0] in command.commands, words
    command = command.commands[words[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words[1:] if word.startswith("--") and word not in known] == []


def test_the_container_file_asks_for_what_there_is() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    extras = re.findall(r"EXTRAS=(\S+)", text)
    assert extras
    for given in extras:
        assert set(given.split(",")) <= set(PROJECT["optional-dependencies"])
    (call,) = re.findall(r"^CMD (\[.*\])", text, re.M)
    check_call(yaml.safe_load(call))


def test_the_compose_file_starts_commands_that_exist() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert {"database", "broker", "headwater"} <= set(services)
    ours = services["headwater"]
    check_call(shlex.split(ours["command"]))
    assert set(ours["depends_on"]) <= set(services)
    built = (DEPLOY / ours["build"]["context"] / ours["build"]["dockerfile"]).resolve()
    assert built == DEPLOY / "Containerfile"
    # the store and the broker are asked for under the names of their services
    assert "@database/" in ours["environment"]["HEADWATER_STORE"]
    assert "mqtt://broker" in ours["command"]
    assert ours["ports"] == ["127.0.0.1:8000:8000"]


def test_the_unit_starts_a_command_that_exists(tmp_path: Path) -> None:
    text = (DEPLOY / "headwater.service").read_text(encoding="utf-8")
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.read_string(text)
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program == "/opt/headwater/bin/headwater"
    check_call(words)
    judge = shutil.which("systemd-analyze")
    if judge is None:
        pytest.skip("needs systemd-analyze")
    here = tmp_path / "headwater.service"
    here.write_text(text.replace(program, shutil.which("true") or "/bin/true"), encoding="utf-8")
    done = subprocess.run([judge, "verify", str(here)], capture_output=True, text=True, check=False)
    assert str(here) not in done.stderr
    assert "headwater.service:" not in done.stderr, done.stderr


def test_the_recipe_runs_with_what_the_package_asks_for() -> None:
    text = (DEPLOY / "recipe" / "recipe.yaml").read_text(encoding="utf-8")
    recipe = yaml.safe_load(text.replace("${{ version }}", PROJECT["version"]))
    assert recipe["context"]["version"] == PROJECT["version"]
    asked = set()
    for entry in PROJECT["dependencies"]:
        name, bound = re.split(r"(?=>=)", entry)
        asked.add(f"{CONDA.get(name, name.lower())} {bound}")
    assert set(recipe["requirements"]["run"]) - {"python >=3.11"} == asked
