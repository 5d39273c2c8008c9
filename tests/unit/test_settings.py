"""Settings come from four places, the later ones winning, and nothing is rounded on the way."""

import pytest

from headwater.errors import StudyError
from headwater.settings import Settings, resolve


@pytest.fixture(autouse=True)
def _no_settings_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(f"HEADWATER_{name.upper()}", raising=False)


def test_later_places_win(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve() == Settings()
    assert resolve({"threads": 3, "dpi": 90}) == Settings(threads=3, dpi=90)
    monkeypatch.setenv("HEADWATER_THREADS", "5")
    monkeypatch.setenv("HEADWATER_LOG_LEVEL", "debug")
    assert resolve({"threads": 3}) == Settings(threads=5, log_level="DEBUG")
    assert resolve({"threads": 3}, {"threads": 7, "dpi": None}).threads == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", 0),
        ("threads", -1),
        ("workers", -1),
        ("scheduler", "host:8786"),
        ("scheduler", 8786),
        ("workers", 2.5),
        ("workers", "two"),
        ("workers", True),
        ("workers", None),
        ("chunk_mb", float("nan")),
        ("chunk_mb", float("inf")),
        ("dpi", "1e2.5"),
        ("log_level", "LOUD"),
        ("log_level", 3),
    ],
)
def test_a_wrong_value_is_told_with_its_name(name: str, value: object) -> None:
    with pytest.raises(StudyError, match=f"setting '{name}' needs") as caught:
        resolve({name: value})
    assert caught.value.found == repr(value)
    assert caught.value.exit_code == 2


def test_an_unknown_setting_is_told_with_the_nearest() -> None:
    with pytest.raises(
        StudyError, match=r"unknown setting. Found: 'worker'. Did you mean 'workers'"
    ):
        resolve({"worker": 2})


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert resolve({"threads": 4.0, "chunk_mb": 8}) == Settings(threads=4, chunk_mb=8.0)
