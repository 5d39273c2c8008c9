"""Rules, CAP messages and signatures."""

import datetime as dt
from pathlib import Path

import pytest

from headwater.alerts import read_rules
from headwater.alerts.cap import CapAlert, CapArea, cap_problems, write_cap
from headwater.alerts.channels import signature, verify_signature
from headwater.errors import InputError, ProblemsError

# OASIS Open 2010, from IBM/cap resources/CAP-v1.2.xsd at 5f5f07c (Apache-2.0)
SCHEMA = Path(__file__).parents[3] / "shared" / "data" / "cap" / "CAP-v1.2.xsd"
ZONE = dt.timezone(dt.timedelta(hours=8))
SENT = dt.datetime(2026, 7, 1, 8, 30, tzinfo=ZONE)
RING = ((100.0, 38.0), (100.2, 38.0), (100.2, 38.2), (100.0, 38.2))


def alert(**changes):
    facts = {
        "identifier": "hw-1",
        "sender": "office@reserve.example",
        "sent": SENT,
        "expires": SENT + dt.timedelta(days=7),
        "event": "Drought",
        "headline": "Watch: soil water is low",
        "description": "Root zone below the 10th percentile.",
        "area": CapArea("Meadow", RING, 3500.0, 4100.0),
    }
    return CapAlert(**(facts | changes))


def test_cap_messages_are_valid_by_schema_and_meaning():
    import xmlschema

    schema = xmlschema.XMLSchema(SCHEMA) if SCHEMA.exists() else None
    references = (("office@reserve.example", "hw-1", SENT),)
    for one in (
        alert(),
        alert(status="Exercise", language="zh-CN", headline="干旱预警"),
        alert(message_type="Update", references=references, parameters=(("rate", "0.01"),)),
        alert(message_type="Cancel", references=references),
    ):
        text = write_cap(one)
        if schema is not None:
            schema.validate(text.decode())
        assert cap_problems(text) == ()
    written = write_cap(alert()).decode()
    assert "<polygon>38.00000,100.00000 38.00000,100.20000" in written
    assert "<altitude>11483</altitude>" in written  # 3500 m in feet


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("38.00000,100.00000</polygon>", "38.1,100.1</polygon>", "not closed"),
        ("38.00000,100.20000 38.20000,100.20000", "38.20000,100.20000 38.00000,100.20000", "cross"),
        ("<polygon>38.00000,100.00000", "<polygon>100.0,38.0", "latitude"),
        ("<polygon>38.00000,100.00000", "<polygon>abc", "pairs of numbers"),
        ("<expires>2026-07-08", "<expires>2026-06-08", "expires before"),
        ("<msgType>Alert", "<msgType>Update", "without references"),
        ("<altitude>11483</altitude>", "", "ceiling without"),
        ("<identifier>hw-1", "<identifier>hw 1, x", "blanks or commas"),
        ("08:30:00+08:00</sent>", "08:30:00Z</sent>", "spell out its offset"),
    ],
)
def test_what_the_schema_lets_through_is_found(old, new, words):
    text = write_cap(alert()).decode()
    assert old in text
    assert any(words in one for one in cap_problems(text.replace(old, new, 1).encode()))


def test_a_polygon_of_too_many_points_is_refused():
    many = tuple((100 + at / 1000, 38 + (at % 2) / 1000) for at in range(300))
    with pytest.raises(InputError, match="at most 100"):
        write_cap(alert(area=CapArea("Meadow", many)))


def test_all_problems_of_a_rules_file_come_at_once(tmp_path):
    path = tmp_path / "alerts.toml"
    path.write_text(
        '[[rule]]\nname = "a"\nquantity = "soil_moistur"\nbelow = 0.1\n'
        '[[rule]]\nname = "b"\nquantity = "soil_moisture"\nbelow = 0.1\nabove = 0.2\n'
        '[[rule]]\nname = "c"\nquantity = "soil_moisture"\nbelow = 0.2\nclear = 0.1\n'
        '[[rule]]\nname = "d"\nquantity = "soil_moisture"\nbelow = 0.2\nhodl = "6 h"\n'
        '[channels.mail]\nkind = "smtp"\n'
    )
    with pytest.raises(ProblemsError) as caught:
        read_rules(path)
    words = str(caught.value)
    for part in ("soil_moisture", "exactly one", "flap", "hodl", "recipients"):
        assert part in words


def test_unknown_channels_and_double_names_are_refused(tmp_path):
    path = tmp_path / "alerts.toml"
    rule = '[[rule]]\nname = "a"\nquantity = "soil_moisture"\nbelow = 0.1\n'
    path.write_text(rule + 'channels = ["male"]\n[channels.mail]\nkind = "mqtt"\n')
    with pytest.raises(ProblemsError, match="mail"):
        read_rules(path)
    path.write_text(rule + rule)
    with pytest.raises(ProblemsError, match="two rules"):
        read_rules(path)


def test_a_signature_holds_for_its_body_and_time_alone():
    signed = signature(b"secret", 1000, b"{}")
    assert verify_signature(b"secret", 1000, b"{}", signed, now=1200)
    assert not verify_signature(b"secret", 1000, b"{ }", signed, now=1200)
    assert not verify_signature(b"other", 1000, b"{}", signed, now=1200)
    assert not verify_signature(b"secret", 1000, b"{}", signed, now=2000)


def test_a_cancellation_refers_to_the_alert_as_it_was_sent(tmp_path):
    from headwater.alerts.channels import sender
    from headwater.alerts.outbox import OutboxMessage
    from headwater.alerts.rules import Rules

    channel = {"kind": "cap", "folder": str(tmp_path), "sender": "office@reserve.example"}
    send = sender(Rules.model_validate({"channels": {"files": channel}}))
    begun, ended = "2026-07-01T00:00:00Z", "2026-07-03T00:00:00Z"
    for at, (kind, time) in enumerate([("raised", begun), ("resolved", ended)]):
        detail = {"kind": kind, "headline": "Dry", "time": time, "raised": begun}
        send(OutboxMessage(at, f"a|1|{kind}", "files", "dry|3|1", 0, detail))
    texts = [path.read_text() for path in tmp_path.glob("*.xml")]
    first = next(text for text in texts if "<msgType>Alert" in text)
    last = next(text for text in texts if "<msgType>Cancel" in text)
    assert "<identifier>dry-3-1-raised</identifier>" in first
    assert "office@reserve.example,dry-3-1-raised,2026-07-01T00:00:00+00:00" in last
