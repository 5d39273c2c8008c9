"""From a warning to a plan that is approved, reminded of, done and evaluated, by the command line.

A meadow's soil dries, an alert fires, the reserve plans its units, people approve and decline, work
is done, and years later the cover of done units is compared with that of others.
"""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import shapely

from headwater.alerts import evaluate, list_alerts
from headwater.network import open_store
from headwater.network.entities import Location
from headwater.restoration import load_plan

from ..unit.platform_house import Browser, platform_over, running, write_results
from .test_alerts_journey import filled, rules

COMMAND = [sys.executable, "-m", "headwater", "plan"]


def plan(home, *words, fails=False):
    done = subprocess.run(
        [*COMMAND, *words], cwd=home, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def station_in(store, longitude, latitude):
    """Fill a store with a station that dries, at a place."""
    filled(store, [0.3, 0.09, 0.08])
    with store.transaction() as session:
        ((thing,),) = session.rows("SELECT id FROM things")
        spot = {"type": "Point", "coordinates": [longitude, latitude]}
        place = session.add(Location(name="here", location=spot))
        session.insert("things_locations", {"thing_id": thing, "location_id": place})


def test_an_alert_ends_in_work_that_people_decide_on_over_http(home):
    with open_store(str(home / "network.db")) as store:
        station_in(store, 100.005, 38.005)
        assert [one.state for one in evaluate(store, rules())] == ["firing"]
    results = write_results(home / "results")
    path = results / "restoration" / "plan.geojson"
    path.parent.mkdir()
    where = ("--plan", str(path))
    plan(home, "make", "units.geojson", "--year", "2027", "--alerts", "network.db", *where)
    names = [f"U{i:02d}" for i in range(6)]
    with (
        open_store(str(home / "network.db")) as store,
        running(platform_over(store, results, anonymous=True)) as url,
    ):
        nobody, ranger, editor = Browser(url), Browser(url), Browser(url)
        assert ranger.sign_in("zhuoma").ok
        assert editor.sign_in("li").ok
        (card,) = nobody.get("/api/plans").json()
        page = f"/api/plans/{card['id']}"
        shown = nobody.get(page).json()
        assert shown["lines"][0]["name"] == "U00"
        reasons = {language: shown["rows"][language][0]["reasons"] for language in ("en", "zh")}
        assert "alert of its stations: Meadow:" in reasons["en"]
        assert "监测站报警：Meadow:" in reasons["zh"]

        def move(state, person, comment=""):
            given = {"units": names, "state": state, "comment": comment}
            return person.post(f"{page}/moves", given).status_code

        assert move("proposed", nobody) in (401, 403)
        assert move("proposed", ranger) == 200
        assert move("approved", ranger) == 403
        assert move("done", ranger) == 400
        assert move("approved", editor, "seen on 3 June") == 200
        assert move("done", ranger) == 200
    said = plan(home, "evaluate", "cover.csv", "--since", "2028", "--by", "Li", *where)
    assert "helped" in said
    steps = [(step[1], step[2]) for step in load_plan(path).line("U00").history]
    assert steps == [
        ("zhuoma", "proposed"),
        ("li", "approved"),
        ("zhuoma", "done"),
        ("Li", "evaluated"),
    ]


@pytest.fixture
def home(tmp_path):
    rng = np.random.default_rng(5)
    features = []
    for i in range(20):
        box = shapely.box(100 + 0.02 * i, 38, 100.015 + 0.02 * i, 38.01)
        known = {"name": f"U{i:02d}", "grade": "moderate" if i < 8 else "light"}
        known |= {"probability": 0.7, "elevation": 3300 + 10 * i, "slope": 6}
        geometry = shapely.geometry.mapping(box)
        features.append({"type": "Feature", "properties": known, "geometry": geometry})
    whole = {"type": "FeatureCollection", "features": features}
    (tmp_path / "units.geojson").write_text(json.dumps(whole))
    rows = [
        (f"U{i:02d}", year, 0.5 + rng.normal(0, 0.01) + 0.08 * (i < 6 and year >= 2028))
        for i in range(20)
        for year in range(2024, 2031)
    ]
    table = pd.DataFrame(rows, columns=["unit", "year", "cover"])
    table.to_csv(tmp_path / "cover.csv", index=False)
    return tmp_path


def test_a_warning_ends_in_work_that_is_evaluated(home):
    with open_store(str(home / "network.db")) as store:
        station_in(store, 100.005 + 0.02 * 3, 38.005)
        assert [one.state for one in evaluate(store, rules())] == ["firing"]

    made = ("make", "units.geojson", "--year", "2027", "--alerts", "network.db")
    assert "20 units" in plan(home, *made)
    # the unit around the station comes first, and says why
    assert load_plan(home / "plan.geojson").lines[0].unit.name == "U03"
    assert "alert of its stations: Meadow:" in plan(home, "show", "U03")
    assert "alert" not in plan(home, "show", "U04")
    assert "no plan" in plan(home, "list", "--plan", "other.geojson", fails=True)
    assert "U00" in plan(home, "list")
    shown = plan(home, "show", "U00")
    assert "Reseed without tillage" in shown
    assert "Li et al. (2024)" in shown
    assert "does not take" in plan(home, "approve", "U00", "--by", "Wang", fails=True)

    treated = [f"U{i:02d}" for i in range(6)]
    plan(home, "propose", *treated, "U07", "--by", "Zhuoma")
    plan(home, "approve", *treated, "--by", "Wang", "--comment", "seen on 3 June")
    assert "comment" in plan(home, "decline", "U07", "--by", "W", "--comment", " ", fails=True)
    plan(home, "decline", "U07", "--by", "Wang", "--comment", "herders need it")

    # new advice leaves alone what people have moved
    assert "7 as people left them" in plan(home, *made)
    assert load_plan(home / "plan.geojson").line("U07").state == "declined"

    for suffix in ("csv", "xlsx", "gpkg", "html"):
        plan(home, "export", f"out/work.{suffix}")
        assert (home / "out" / f"work.{suffix}").stat().st_size > 500

    plan(home, "done", *treated, "--by", "Zhuoma")
    assert "not done" in plan(
        home, "evaluate", "cover.csv", "--since", "2028", "--by", "Li", "--unit", "U09", fails=True
    )
    said = plan(home, "evaluate", "cover.csv", "--since", "2028", "--by", "Li")
    assert "helped" in said
    line = load_plan(home / "plan.geojson").line("U00")
    assert [step[2] for step in line.history] == ["proposed", "approved", "done", "evaluated"]
    assert line.evaluation["effect"] == pytest.approx(0.08, abs=0.02)
    assert line.evaluation["n_treated"] == 6


def approved_with_dates(home):
    """A plan with one approved line whose work must begin on 10 June 2027."""
    from dataclasses import replace

    from headwater.restoration import change_plan, save_plan

    plan(home, "make", "units.geojson", "--year", "2027")
    path = home / "plan.geojson"
    whole = load_plan(path)
    line = whole.line("U00")
    works = tuple(replace(work, latest_beginning=161.0, deadline=175.0) for work in line.works[:1])
    save_plan(whole.with_line(replace(line, works=works)), path)
    change_plan(path, "U00", "proposed", person="Z")
    change_plan(path, "U00", "approved", person="W", comment="seen")
    return path


def test_reminders_come_once_each_also_when_the_sender_is_killed(home):
    approved_with_dates(home)
    assert "0 reminders posted, 0" in plan(home, "remind", "--day", "2027-04-01")
    for day, posted in (("2027-04-11", 1), ("2027-04-12", 0), ("2027-05-20", 1), ("2027-05-27", 1)):
        assert f"{posted} reminders posted" in plan(home, "remind", "--day", day), day
    assert "0 reminders posted, 0" in plan(home, "remind", "--day", "2027-06-11")
    with open_store(str(home / "network.db")) as store:
        found = list_alerts(store)
        with store.transaction(read_only=True) as session:
            messages = session.rows("SELECT message_key FROM alert_outbox")
    assert len(found) == 3
    assert len({key for (key,) in messages}) == len(messages) == 3


def test_a_killed_change_leaves_the_old_plan_or_the_new_one(home):
    path = approved_with_dates(home)
    code = (
        "from headwater.restoration import change_plan\n"
        "for i in range(10000):\n"
        "    state = 'proposed' if i % 2 == 0 else 'draft'\n"
        f"    change_plan({str(path)!r}, 'U01', state, person='Z')\n"
    )
    for seconds in (2.5, 3.1, 3.7):
        child = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
        time.sleep(seconds)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        line = load_plan(path).line("U01")  # whole, whatever the moment
        assert line.state == (line.history[-1][2] if line.history else "draft")
        if line.state == "proposed":
            from headwater.restoration import change_plan

            change_plan(path, "U01", "draft", person="Z")
