"""Commands speak the language of the study, or that of the environment."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from headwater.cli import app, errors
from headwater.cli.words import say, speak_as
from headwater.report.language import read_catalogue

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "study.toml"
    file.write_text('[study]\ncolour = 3\n[inputs.ndvi]\npath = "a.nc"\n[report]\n', "utf-8")
    return file


def test_mistakes_in_a_study_file_are_told_in_its_language(wrong: Path) -> None:
    assert "unknown key in [study]" in CliRunner().invoke(app, ["check", str(wrong)]).output
    wrong.write_text(wrong.read_text("utf-8") + 'language = "zh"\n', "utf-8")
    told = CliRunner().invoke(app, ["check", str(wrong)]).output
    assert "[study] 中有未知的键" in told
    assert "所见：'colour'" in told
    assert "Found" not in told


def test_the_environment_decides_where_no_study_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "nowhere.toml")
    assert "no such study file" in CliRunner().invoke(app, ["run", place]).output
    monkeypatch.setenv("HEADWATER_LANGUAGE", "zh")
    assert "没有这个研究文件" in CliRunner().invoke(app, ["run", place]).output


def test_a_study_in_english_stays_english_in_a_chinese_environment(
    wrong: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWATER_LANGUAGE", "zh")
    wrong.write_text(wrong.read_text("utf-8") + 'language = "en"\n', "utf-8")
    assert "unknown key in [study]" in CliRunner().invoke(app, ["check", str(wrong)]).output


def test_what_the_catalogue_does_not_know_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    speak_as()
    monkeypatch.setenv("HEADWATER_LANGUAGE", "zh")
    unknown = "  The moon rises. It sets."
    assert say(unknown) == unknown
    assert say("  none") == "  无"
    assert say("No problems. Next: headwater run a. b.toml").endswith("headwater run a. b.toml")
    assert say("Period: 2017 to 2021\nunheard of") == "时段：2017 至 2021\nunheard of"


def test_each_message_is_chinese_and_keeps_what_stands_in_braces() -> None:
    text = files("headwater.cli").joinpath("locale/zh.po").read_text(encoding="utf-8")
    for message, wanted in read_catalogue(text).items():
        assert CHINESE.search(wanted), message
        assert set(re.findall(r"\{\w+\}", message)) == set(re.findall(r"\{\w+\}", wanted)), message


def test_an_interrupt_is_said_in_whole_sentences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for language, words in (("", "Interrupted."), ("zh", "已中断。")):
        monkeypatch.setenv("HEADWATER_LANGUAGE", language)
        with pytest.raises(typer.Exit):
            errors._report_interrupt([])
        assert capsys.readouterr().err == f"{words}\n"
