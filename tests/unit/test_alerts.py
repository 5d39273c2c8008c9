"""Rules, CAP messages and signatures."""

import contextlib
import dataclasses
import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from headwater.alerts import channels, deliver, evaluate, list_alerts, read_rules
from headwater.alerts.cap import CapAlert, CapArea, cap_problems, write_cap
from headwater.alerts.channels import secret_problems, sender, signature, verify_signature
from headwater.alerts.events import replay_store
from headwater.alerts.outbox import OutboxMessage
from headwater.alerts.rules import Channel, Rules, rules_template, unwatched_rules
from headwater.errors import InputError, ProblemsError, StudyError
from headwater.network import open_store
from headwater.network.entities import Observations
from headwater.network.ingest.geojson import read_geojson
from headwater.network.ingest.load import ensure_series, load_reading
from headwater.network.ingest.parsed_file import Series

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


def many_stations(store, values, start=0):
    """Write the same readings to stations S0, S1, …, of which a later call adds more readings."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [99 + n / 1000, 35.2]},
            "properties": {
                "station": f"S{n}",
                "time": f"2026-07-01T{start + at:02d}:00Z",
                "value": value,
                "property": "soil_moisture",
                "unit": "m3 m-3",
                "depth": 0.1,
            },
        }
        for n, row in values.items()
        for at, value in enumerate(row)
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    load_reading(read_geojson(text.encode()), store)


def grouping(**more):
    rule = {"name": "dry", "quantity": "soil_moisture", "below": 0.1, "clear": 0.15}
    rule |= {"debounce": 1, "hold": 0, "channels": ["inbox", "hook", "cap"], **more}
    channels = {"hook": {"kind": "webhook", "url": "http://127.0.0.1:9/x"}, "cap": {"kind": "cap"}}
    return Rules.model_validate({"rule": [rule], "channels": channels})


def test_one_message_speaks_for_all_stations_of_an_event(tmp_path):
    sent = []
    with open_store(str(tmp_path / "n.db")) as store:
        many_stations(store, {n: [0.05] for n in range(12)})
        assert len(evaluate(store, grouping())) == 12
        deliver(store, sent.append, owner="a", rng=np.random.default_rng(1))
        by_hook = [one for one in sent if one.channel == "hook"]
        assert len(by_hook) == 1
        assert len(by_hook[0].detail["members"]) == 12
        # cancellations refer to CAP files by name, so each alert has its own
        assert len([one for one in sent if one.channel == "cap"]) == 12
        assert len(list_alerts(store)) == 12
        text = channels._words(Channel(kind="smtp", recipients=("a@b.c",)), by_hook[0])
        assert text.startswith("Alert: dry: soil moisture at S0, and 11 more\n")
        assert text.count("\n- ") == 12


@contextlib.contextmanager
def answering(answer):
    """A receiver of what is posted, which answers by path."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, text = answer
            self.send_response(status)
            if status > 300:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?key=1", got
    finally:
        server.shutdown()
        server.server_close()


def message_of(n):
    names = [f"高原草甸监测站第{k}号土壤水分偏低" for k in range(n)]
    members = [{"alert": f"dry|{k}|1", "headline": name} for k, name in enumerate(names)]
    detail = {"kind": "raised", "headline": names[0], "time": "2026-07-01T00:00:00Z"}
    return OutboxMessage(1, "a", "robot", "dry|0|1", 0, {**detail, "members": members})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_receiver_that_sends_elsewhere_has_not_taken_the_message(status):
    with answering((status, b"")) as (url, got):
        rules = Rules.model_validate({"channels": {"robot": {"kind": "webhook", "url": url}}})
        with pytest.raises(OSError, match=f"answered {status}.*/elsewhere"):
            sender(rules)(message_of(1))
    assert len(got) == 1


@pytest.mark.parametrize(("kind", "most"), [("wecom", 2048), ("dingtalk", 20_000)])
@pytest.mark.parametrize("n", [1, 49, 400])
def test_a_text_is_no_longer_than_the_robot_takes_and_says_what_it_left_out(kind, most, n):
    with answering((200, b'{"errcode": 0}')) as (url, got):
        robot = {"kind": kind, "url": url, "language": "zh"}
        sender(Rules.model_validate({"channels": {"robot": robot}}))(message_of(n))
    words = json.loads(got[0])["text"]["content"]
    assert len(words.encode()) <= most
    listed = words.count("\n- 高原")
    assert listed == n or f"- … {n - listed}\n" in words


@pytest.mark.parametrize("text", [b"<html>Sign in</html>", b"[1]"])
def test_an_answer_that_is_no_robots_is_named(text):
    with answering((200, text)) as (url, _):
        rules = Rules.model_validate({"channels": {"robot": {"kind": "feishu", "url": url}}})
        with pytest.raises(OSError, match="no answer of a feishu robot"):
            sender(rules)(message_of(1))


def test_a_channel_whose_secret_cannot_be_read_is_named(tmp_path):
    (tmp_path / "secret").write_text("x")
    robot = {"kind": "feishu", "url": "https://a.example/b"}
    both = {name: {**robot, "password_file": tmp_path / name} for name in ("secret", "nowhere")}
    (problem,) = secret_problems(Rules.model_validate({"channels": both}))
    assert "nowhere" in str(problem)


def test_stations_join_a_message_that_still_waits_and_none_that_has_left(tmp_path):
    wanted, sent = grouping(group="10 min"), []
    with open_store(str(tmp_path / "n.db")) as store:
        many_stations(store, {0: [0.05]})
        evaluate(store, wanted)
        many_stations(store, {1: [0.05], 2: [0.3]})
        evaluate(store, wanted)
        deliver(store, sent.append, owner="a", rng=np.random.default_rng(1))
        assert not [one for one in sent if one.channel == "hook"]
        with store.transaction() as session:
            session.execute("UPDATE alert_outbox SET due = 0 WHERE status = 'waiting'")
        deliver(store, sent.append, owner="a", rng=np.random.default_rng(1))
        many_stations(store, {2: [0.05]}, start=1)
        evaluate(store, wanted)
        with store.transaction() as session:
            session.execute("UPDATE alert_outbox SET due = 0 WHERE status = 'waiting'")
        deliver(store, sent.append, owner="a", rng=np.random.default_rng(1))
    counts = [len(one.detail.get("members", [1])) for one in sent if one.channel == "hook"]
    assert counts == [2, 1]


def test_a_channel_that_is_not_there_is_no_inbox(tmp_path):
    with pytest.raises(StudyError, match="does not have"):
        grouping().channel("hok")
    with open_store(str(tmp_path / "n.db")) as store:
        many_stations(store, {0: [0.05]})
        evaluate(store, grouping())
        done = deliver(store, sender(Rules()), owner="a", rng=np.random.default_rng(1))
        assert (done.sent, done.failed) == (0, 2), "kept until the channel is there again"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"stations": ["Medow*"]}, "names no station"),
        ({"quantity": "ndvi"}, "no station observes ndvi"),
        ({"depth": [0.3, 0.5]}, "no series of soil_moisture lies at its depth"),
    ],
)
def test_a_rule_that_watches_nothing_is_named(tmp_path, more, words):
    with open_store(str(tmp_path / "n.db")) as store:
        many_stations(store, {0: [0.05]})
        assert not unwatched_rules(store, grouping(depth=[0.05, 0.2]))
        (problem,) = unwatched_rules(store, grouping(**more))
    assert words in str(problem)


def test_a_first_rules_file_fits_what_the_store_holds(tmp_path):
    (tmp_path / "alerts.toml").write_text(rules_template(), encoding="utf-8")
    assert read_rules(tmp_path / "alerts.toml").rule[0].quantity == "soil_moisture"
    with open_store(str(tmp_path / "n.db")) as store:
        many_stations(store, {n: [0.2 + n / 100] for n in range(10)})
        (tmp_path / "alerts.toml").write_text(rules_template(store), encoding="utf-8")
        found = read_rules(tmp_path / "alerts.toml")
        assert not unwatched_rules(store, found)
    assert 0.2 <= found.rule[0].below < found.rule[0].clear <= 0.22


def test_cells_of_a_cube_raise_alerts_where_a_rule_asks_for_them(tmp_path):
    cell = Series(
        thing="demo: cell 2, 6",
        name="soil_moisture, cell of grids/soil_moisture.zarr",
        quantity="soil_moisture",
        unit="m3 m-3",
        properties={"derived": "cell of a grid", "virtual_station": True},
    )
    beside = dataclasses.replace(cell, thing="S0", properties={"derived": "cell of a grid"})
    stations = grouping(channels=["inbox"])
    both = grouping(channels=["inbox"], cells=True)
    with open_store(str(tmp_path / "n.db")) as store:
        many_stations(store, {0: [0.3]})
        with store.transaction() as session:
            for item in (cell, beside):
                id = ensure_series(session, item)
                session.write(Observations([id], [1_782_864_000_000_000], [0.05]))
        assert not unwatched_rules(store, stations)
        assert evaluate(store, stations) == []
        (raised,) = evaluate(store, both)
        assert raised.headline == "dry: soil moisture at demo: cell 2, 6"
        assert [station for station, _ in replay_store(store, both.rule[0])] == [cell.thing]
        only = {"channels": ["inbox"], "stations": ["demo: cell *"]}
        (problem,) = unwatched_rules(store, grouping(**only))
        assert "cells = true" in str(problem)
        assert not unwatched_rules(store, grouping(**only, cells=True))


def test_a_reading_dated_ahead_does_not_silence_a_rule(tmp_path):
    """The clock of a logger jumps to 2126 and back; the alert of the next day must still come."""
    hour, wanted = 3_600_000_000, grouping(channels=["inbox"])
    with open_store(str(tmp_path / "n.db")) as store:
        many_stations(store, {0: [0.3]})
        (id,) = {int(one) for one in store.read().datastream}
        first = int(store.read().time[0])
        ahead = first + 100 * 365 * 24 * hour
        store.write(Observations([id], [ahead], [0.01]))
        assert evaluate(store, wanted, now=first + hour) == []
        store.write(Observations([id], [first + 24 * hour], [0.05]))
        (raised,) = evaluate(store, wanted, now=first + 25 * hour)
        assert raised.state == "firing"
        with store.transaction() as session:  # as earlier versions have left it
            state = {"phase": "inactive", "event": 1, "last_value": ahead}
            session.execute("UPDATE alert_states SET detail = ?", (json.dumps(state),))
            session.execute("UPDATE alert_events SET resolved = 1")
        evaluate(store, wanted, now=first + 26 * hour)
        store.write(Observations([id], [first + 48 * hour], [0.05]))
        assert evaluate(store, wanted, now=first + 49 * hour)
