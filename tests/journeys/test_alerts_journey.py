"""Alerts for real: a store, a mail server, a webhook receiver, and senders that are killed."""

import importlib.util
import json
import os
import socket
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from headwater.alerts import acknowledge, deliver, evaluate, list_alerts
from headwater.alerts.cap import atom_feed
from headwater.alerts.channels import sender, verify_signature
from headwater.alerts.escalation import escalate
from headwater.alerts.events import add_silence, read_evidence
from headwater.alerts.outbox import dead_messages, failing_channels, release_lease
from headwater.alerts.rules import Rules
from headwater.network import open_store
from headwater.network.entities import (
    Datastream,
    Observations,
    ObservedProperty,
    Sensor,
    Thing,
)

HOUR = 3_600_000_000
START = 1_780_000_000_000_000


_SPEC = importlib.util.spec_from_file_location(
    "receivers", Path(__file__).with_name("_receivers.py")
)
_RECEIVERS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_RECEIVERS)
receiver, mail_server = _RECEIVERS.receiver, _RECEIVERS.mail_server


def filled(store, values, start=START):
    with store.transaction() as session:
        thing = session.add(Thing(name="Meadow", description=""))
        sensor = session.add(
            Sensor(name="probe", description="", encoding_type="text/plain", metadata="x")
        )
        prop = session.add(ObservedProperty(name="soil_moisture", definition="x", description=""))
        stream = session.add(
            Datastream(
                name="0.1 m",
                description="",
                observation_type="OM_Measurement",
                unit_of_measurement={"name": "", "symbol": "m3 m-3", "definition": ""},
                thing_id=thing,
                sensor_id=sensor,
                observed_property_id=prop,
                properties={"depth": 0.1},
            )
        )
    write(store, stream, values, start)
    return stream


def write(store, stream, values, start):
    times = [start + at * HOUR for at in range(len(values))]
    store.write(Observations([stream] * len(values), times, list(values)))


def rules(**channels):
    return Rules.model_validate(
        {
            "rule": [
                {
                    "name": "dry",
                    "quantity": "soil_moisture",
                    "below": 0.1,
                    "clear": 0.15,
                    "hold": 0,
                    "channels": ["inbox", *channels],
                }
            ],
            "channels": channels,
        }
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    address = str(tmp_path / "network.db")
    if request.param == "postgresql":
        address = request.getfixturevalue("postgresql").database(
            f"alerts_{os.getpid()}_{id(request)}"
        )
    with open_store(address) as opened:
        yield opened


def test_a_drought_is_raised_sent_acknowledged_and_resolved(store):
    with receiver([]) as (url, got), mail_server() as (port, mails):
        wanted = rules(
            hook={"kind": "webhook", "url": url},
            mail={
                "kind": "smtp",
                "host": "127.0.0.1",
                "port": port,
                "security": "none",
                "recipients": ["ranger@reserve.example"],
                "language": "zh",
            },
        )
        stream = filled(store, [0.3, 0.2, 0.09, 0.08])
        begun = evaluate(store, wanted)
        assert [one.state for one in begun] == ["firing"]
        assert evaluate(store, wanted) == []  # nothing new, nothing twice
        send, rng = sender(wanted), np.random.default_rng(1)
        assert deliver(store, send, owner="a", rng=rng).sent == 2
        assert deliver(store, send, owner="a", rng=rng).sent == 0
        assert acknowledge(store, begun[0].key, "Zhuoma").state == "acknowledged"
        write(store, stream, [0.12, 0.2], START + 4 * HOUR)
        assert [one.state for one in evaluate(store, wanted)] == ["resolved"]
        assert acknowledge(store, begun[0].key, "late").state == "resolved"
        assert deliver(store, send, owner="a", rng=rng).sent == 2
    assert [json.loads(body)["kind"] for _, body in got] == ["raised", "resolved"]
    assert len({headers["Idempotency-Key"] for headers, _ in got}) == 2
    assert len({mail["Message-ID"] for mail in mails}) == 2
    assert all("预警" in str(m.get_payload(decode=True), "utf-8") for m in mails[:1])
    assert [one["kind"] for one in read_evidence(store, begun[0].key)] == ["raised", "resolved"]
    write(store, stream, [0.05, 0.05], START + 8 * HOUR)
    again = evaluate(store, wanted)
    assert again[0].key != begun[0].key
    assert [one.key for one in list_alerts(store)] == [again[0].key]


def test_an_alert_of_a_silenced_station_stays_in_the_list(store):
    with receiver([]) as (url, got):
        wanted = rules(hook={"kind": "webhook", "url": url})
        filled(store, [0.3, 0.09, 0.08])
        add_silence(store, reason="probe is being moved", until=2**62, station="Mead*", by="Li")
        assert len(evaluate(store, wanted)) == 1
        assert deliver(store, sender(wanted), owner="a", rng=np.random.default_rng(1)).sent == 0
    assert got == []
    assert len(list_alerts(store)) == 1


def test_data_that_come_after_a_silence_are_silenced_as_of_their_time(store):
    wanted = rules(hook={"kind": "webhook", "url": "http://127.0.0.1:9/none"})
    filled(store, [0.3, 0.09, 0.08])
    with store.transaction(read_only=True) as session:
        now = session.clock()
    until = START + 100 * HOUR
    id = add_silence(store, reason="probe is being moved", until=now + HOUR, station="Meadow")
    with store.transaction() as session:
        session.execute("UPDATE alert_silences SET expires = ? WHERE id = ?", (until, id))
    assert until < now
    assert len(evaluate(store, wanted)) == 1
    with store.transaction(read_only=True) as session:
        waiting = session.rows("SELECT count(*) FROM alert_outbox WHERE status = 'waiting'")
    assert waiting == [(0,)]


def test_a_webhook_that_fails_is_asked_again_with_the_same_key(store, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    with receiver([500, 503]) as (url, got):
        wanted = rules(hook={"kind": "webhook", "url": url, "password_file": str(secret)})
        filled(store, [0.3, 0.09, 0.08])
        evaluate(store, wanted)
        rng = np.random.default_rng(1)
        for _ in range(3):
            deliver(store, sender(wanted), owner="a", rng=rng)
            with store.transaction() as session:  # the waiting is over
                session.execute("UPDATE alert_outbox SET due = 0")
    assert len(got) == 3
    assert len({headers["Idempotency-Key"] for headers, _ in got}) == 1
    headers, body = got[-1]
    stamp = int(headers["X-Headwater-Timestamp"])
    signed = headers["X-Headwater-Signature"]
    assert verify_signature(b"s3cret", stamp, body, signed, now=time.time())


def test_one_sender_holds_the_lease(store):
    wanted = rules(hook={"kind": "webhook", "url": "http://127.0.0.1:9/none"})
    filled(store, [0.3, 0.09, 0.08])
    evaluate(store, wanted)
    rng = np.random.default_rng(1)
    assert not deliver(store, sender(wanted), owner="a", rng=rng).held
    assert deliver(store, sender(wanted), owner="b", rng=rng).held
    ((channel, n, reason, _),) = failing_channels(store)
    assert (channel, n) == ("hook", 1)
    assert "refused" in reason
    release_lease(store, "b")  # not its own
    assert deliver(store, sender(wanted), owner="b", rng=rng).held
    release_lease(store, "a")
    assert not deliver(store, sender(wanted), owner="b", rng=rng).held


def test_what_is_given_up_is_shown(store):
    wanted = rules(hook={"kind": "webhook", "url": "http://127.0.0.1:9/none"})
    filled(store, [0.3, 0.09, 0.08])
    evaluate(store, wanted)
    with store.transaction() as session:
        session.execute("UPDATE alert_outbox SET attempts = 29")
    done = deliver(store, sender(wanted), owner="a", rng=np.random.default_rng(1))
    assert done.dead == 1
    assert [one.channel for one in dead_messages(store)] == ["hook"]


def escalating(url, **more):
    """Rules whose alert goes on to whoever is on duty after two hours."""
    plain = rules(hook={"kind": "webhook", "url": url}).model_dump(mode="json")
    plain["rule"][0] |= {
        "channels": ["inbox"],
        "escalate_after": "2 h",
        "escalate_to": ["on-call"],
        "max_age": "10 h",
    }
    day = {"start": "2020-01-01T00:00:00+08:00", "end": "2040-01-01T00:00:00+08:00"}
    return Rules.model_validate(plain | {"duty": [{"channel": "hook", **day}]} | more)


def test_what_nobody_sees_to_escalates_once_and_not_when_it_is_old(store):
    with receiver([]) as (url, got):
        wanted = escalating(url)
        filled(store, [0.3, 0.09, 0.08])
        (alert,) = evaluate(store, wanted)
        at = alert.raised
        assert escalate(store, wanted, now=at + HOUR) == []
        assert escalate(store, wanted, now=at + 3 * HOUR) == [alert.key]
        assert escalate(store, wanted, now=at + 4 * HOUR) == [], "once"
        assert deliver(store, sender(wanted), owner="a", rng=np.random.default_rng(1)).sent == 1
    assert json.loads(got[0][1])["kind"] == "escalated"


@pytest.mark.parametrize("how", ["old", "seen", "silenced", "nobody on duty"])
def test_what_must_not_escalate_does_not(store, how):
    wanted = escalating("http://127.0.0.1:9/none")
    filled(store, [0.3, 0.09, 0.08])
    (alert,) = evaluate(store, wanted)
    at = alert.raised + 3 * HOUR
    if how == "old":
        at = alert.raised + 11 * HOUR
    elif how == "seen":
        acknowledge(store, alert.key, "Zhuoma")
    elif how == "silenced":
        add_silence(store, reason="moving", until=2**62, station="Mead*")
    else:
        wanted = escalating("http://127.0.0.1:9/none", duty=[])
        assert escalate(store, wanted, now=at) == [alert.key]
        with store.transaction(read_only=True) as session:
            rows = session.rows("SELECT channel FROM alert_outbox WHERE message_key LIKE '%escal%'")
        assert rows == [("inbox",)], "it shows in the inbox"
        return
    assert escalate(store, wanted, now=at) == []


def test_a_new_member_of_a_silenced_group_rings(store):
    """A silence names stations by matcher: another station of the area is not hidden by it."""
    wanted = rules(hook={"kind": "webhook", "url": "http://127.0.0.1:9/none"})
    filled(store, [0.3, 0.09, 0.08])
    add_silence(store, reason="probe is being moved", until=2**62, station="Meadow", by="Li")
    evaluate(store, wanted)
    with store.transaction() as session:
        session.execute("UPDATE things SET name = 'Meadow 2' WHERE name = 'Meadow'")
    write(store, 1, [0.3, 0.2, 0.08, 0.07], START + 10 * HOUR)
    again = evaluate(store, wanted)
    assert [one.state for one in again] == ["resolved", "firing"]
    with store.transaction(read_only=True) as session:
        waiting = session.rows(
            "SELECT count(*) FROM alert_outbox WHERE status = 'waiting' AND channel = 'hook'"
        )
    assert waiting == [(2,)], "only messages of the renamed station wait"


def test_the_feed_keeps_identifiers_and_moves_updates(store):
    wanted = rules()
    filled(store, [0.3, 0.09, 0.08])
    (alert,) = evaluate(store, wanted)
    before = ElementTree.fromstring(atom_feed(store, "http://reserve.example/alerts.atom"))
    acknowledge(store, alert.key, "Zhuoma")
    after = ElementTree.fromstring(atom_feed(store, "http://reserve.example/alerts.atom"))
    atom = "{http://www.w3.org/2005/Atom}"
    one, two = (feed.find(f"{atom}entry") for feed in (before, after))
    assert one.find(f"{atom}id").text == two.find(f"{atom}id").text
    assert one.find(f"{atom}updated").text < two.find(f"{atom}updated").text
    assert two.find(f"{atom}title").text.startswith("Acknowledged: ")
    for name in ("id", "title", "updated", "author", "link"):
        assert before.find(f"{atom}{name}") is not None


def test_mail_that_is_down_for_an_hour_loses_nothing(store):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mail = {"kind": "smtp", "host": "127.0.0.1", "port": port, "security": "none"}
    wanted = rules(mail={**mail, "recipients": ["ranger@reserve.example"]})
    filled(store, [0.3, 0.09, 0.08])
    evaluate(store, wanted)
    rng, waits = np.random.default_rng(1), []
    for _ in range(6):  # the tries that fall into an hour of back-off
        done = deliver(store, sender(wanted), owner="a", rng=rng)
        assert (done.failed, done.dead) == (1, 0)
        with store.transaction() as session:
            due = session.rows("SELECT due FROM alert_outbox WHERE channel = 'mail'")[0][0]
            waits.append((due - session.clock()) / 1e6)
            session.execute("UPDATE alert_outbox SET due = 0")
    assert waits[-1] > 4 * waits[0], "it waits longer each time"
    with mail_server(port) as (_, mails):
        assert deliver(store, sender(wanted), owner="a", rng=rng).sent == 1
        assert deliver(store, sender(wanted), owner="a", rng=rng).sent == 0
    assert len(mails) == 1
