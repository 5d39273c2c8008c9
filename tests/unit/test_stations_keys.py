"""Keys: shown once, kept as hashes, scoped, revoked and rate-limited."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import InputError
from headwater.network import open_store
from headwater.network.entities import Thing
from headwater.network.keys import (
    Key,
    KeyRefusedError,
    RateLimit,
    RateRefusedError,
    issue,
    listed,
    revoke,
    verify,
)
from headwater.network.store.protocol import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as opened:
        yield opened


def test_the_store_holds_no_key(store: Store, tmp_path: Path) -> None:
    token = issue(store, "logger", "write")
    store.close()
    for path in tmp_path.iterdir():
        assert token.encode() not in path.read_bytes()
        assert token[3:].encode() not in path.read_bytes()


def test_roles_reach_downwards(store: Store) -> None:
    token = issue(store, "logger", "write")
    assert verify(store, token, "read").role == "write"
    assert verify(store, token, "write").name == "logger"
    with pytest.raises(KeyRefusedError, match="may not admin"):
        verify(store, token, "admin")


def test_a_scoped_key_stays_at_its_stations(store: Store) -> None:
    with store.transaction() as session:
        here = session.add(Thing(name="here", description="a station"))
        there = session.add(Thing(name="there", description="a station"))
    token = issue(store, "logger", "write", stations=[here])
    assert verify(store, token, "write", station=here).stations == (here,)
    with pytest.raises(KeyRefusedError, match="other stations"):
        verify(store, token, "write", station=there)
    with pytest.raises(InputError, match="does not hold"):
        issue(store, "other", "read", stations=[999])


def test_revoked_and_unknown_keys_are_told_in_the_same_words(store: Store) -> None:
    token = issue(store, "logger", "read")
    assert revoke(store, "logger").revoked is not None
    assert revoke(store, "logger").revoked == listed(store)[0].revoked
    with pytest.raises(KeyRefusedError) as revoked:
        verify(store, token, "read")
    with pytest.raises(KeyRefusedError) as unknown:
        verify(store, token[:6] + "x" * 40, "read")
    assert str(revoked.value) == str(unknown.value)
    with pytest.raises(InputError, match="nobody"):
        revoke(store, "nobody")


def test_a_key_expires(store: Store) -> None:
    token = issue(store, "guest", "read", days=1, clock=lambda: 0)
    assert verify(store, token, "read", clock=lambda: 86_399_999_999)
    with pytest.raises(KeyRefusedError, match="expired"):
        verify(store, token, "read", clock=lambda: 86_400_000_000)


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"role": "owner"}, {"rate_per_minute": 0}, {"days": 0}]
)
def test_keys_without_sense_are_refused(store: Store, wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        issue(store, **({"name": "a", "role": "read"} | wrong))
    issue(store, "twice", "read")
    with pytest.raises(InputError, match="already"):
        issue(store, "twice", "read")


def test_a_bucket_refills_by_the_minute_and_not_by_a_clock_set_back() -> None:
    at = [0]
    limit = RateLimit(clock=lambda: at[0])
    key = Key(1, "logger", "write", (), 3, 0, None, None)
    for _ in range(3):
        limit.take(key)
    with pytest.raises(RateRefusedError, match="Wait 20 s"):
        limit.take(key)
    at[0] = 21_000_000
    limit.take(key)
    at[0] = -3_600_000_000
    with pytest.raises(RateRefusedError):
        limit.take(key)
