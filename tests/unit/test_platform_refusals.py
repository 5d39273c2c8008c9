"""What the platform refuses is said in the language of whoever reads the page."""

import ast
import json
from pathlib import Path

import pytest

import headwater.web.platform
from headwater.errors import ProblemsError
from headwater.network import open_store
from headwater.network.sensorthings.errors import Forbidden, NotFound, WrongRequest
from headwater.report.language import translator_of
from headwater.web.platform.answers import in_chinese

from .platform_house import Browser, platform_over, running

HOME = Path(headwater.web.platform.__file__).parent


def said() -> list[str]:
    """Collect what refusals in the platform's code say, with 7 where something changes."""
    kinds = {"WrongRequest", "Forbidden", "Unauthorised", "NotFound", "Conflict", "TooMany"}
    found = []
    for file in sorted(HOME.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds:
                parts = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "do")]
                found += [text for part in parts if (text := written(part))]
    return found


def written(node) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "7" for v in node.values)
    return ""


def test_every_refusal_of_the_platform_has_chinese_words() -> None:
    say = translator_of("zh", "headwater.web")
    texts = [text for text in said() if "msg" not in text and text != "7: 7"]
    assert len(texts) > 60
    assert [text for text in texts if say(text) == text] == []


def test_what_was_found_stands_between_what_was_wrong_and_what_to_do() -> None:
    error = WrongRequest("not a date", found="July", do="Write it as 2021-07-15")
    assert in_chinese(error) == "不是日期。实际：July。请写作 2021-07-15。"
    role = Forbidden("this needs the role ranger", found="'li' is viewer")
    assert in_chinese(role) == "需要“护林员”角色。实际：'li' is viewer。"
    both = ProblemsError([error, NotFound("no such study")])
    assert in_chinese(both) == "不是日期。实际：July。请写作 2021-07-15。\n没有该研究。"


@pytest.mark.parametrize(
    ("accepted", "message"),
    [("zh-CN", "没有该研究"), ("en-GB", "no such study"), ("", "no such study")],
)
def test_the_message_follows_the_page_and_the_parts_are_for_programs(
    tmp_path, accepted, message
) -> None:
    with (
        open_store(tmp_path / "n.db") as store,
        running(platform_over(store, anonymous=True)) as url,
    ):
        answer = Browser(url).get("/api/studies/none", headers={"Accept-Language": accepted})
    told = json.loads(answer.text)
    assert (answer.status_code, told["wrong"]) == (404, "no such study")
    assert message in told["message"]
