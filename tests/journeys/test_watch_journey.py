"""The virtual headwater replayed: a drought and a grazing patch, real receivers, and kill -9."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from headwater.alerts import acknowledge, list_alerts
from headwater.alerts.cap import cap_problems
from headwater.alerts.events import read_evidence
from headwater.chapters import STEPS
from headwater.cli import app
from headwater.network import open_store
from headwater.network.times import iso
from headwater.study import parse_study, run
from headwater.virtual.growing import Drought, grow

_SPEC = importlib.util.spec_from_file_location(
    "receivers", Path(__file__).with_name("_receivers.py")
)
receivers = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(receivers)

# OASIS Open 2010, from IBM/cap resources/CAP-v1.2.xsd at 5f5f07c (Apache-2.0)
SCHEMA = Path(__file__).parents[3] / "shared" / "data" / "cap" / "CAP-v1.2.xsd"
STUDY = """
[study]
name = "Virtual headwater"
growing_season = [5, 9]
[inputs.ndvi]
path = "ndvi.nc"
[inputs.soil_moisture]
path = "soil_moisture.nc"
[warning]
watch_from = "2018-01-01"
rehearsals = 0
min_cells = 3
channels = ["inbox", "hook", "mail", "bus", "files"]
"""
YEARS, DRY, GRAZED = (2008, 2019), 10, "2018-06-15"
ROWS, COLUMNS = slice(2, 5), slice(4, 7)
# no patch of the virtual headwater's own lies there
LOOKS = pd.to_datetime(
    [f"2018-{day}" for day in ("06-15", "07-05", "07-25", "08-15", "09-10", "10-20")]
    + [f"2019-{day}" for day in ("06-01", "07-01", "08-01", "10-20")]
)


def replayed():
    """Greenness by composites and soil moisture by pentads, the patch grazed to two fifths."""
    here = grow(seed=4, years=YEARS, shape=(9, 12), droughts=(Drought(DRY, 6, 8, 0.35),), gaps=0.1)
    green = here.composites["ndvi"].load()
    grazed = (green["time"] >= np.datetime64(GRAZED)).values[:, None, None]
    part = green.values[:, ROWS, COLUMNS]
    green.values[:, ROWS, COLUMNS] = np.where(grazed, 0.06 + 0.4 * (part - 0.06), part)
    water = (
        here.daily["soil_water"].isel(depth=slice(0, 2)).mean("depth").resample(time="5D").mean()
    )
    return {
        "ndvi": green.assign_attrs(units="1"),
        "soil_moisture": water.assign_attrs(units="m3 m-3"),
    }


class Place:
    """A study, a folder that rasters come into, a store and rules."""

    def __init__(self, home, series, channels):
        self.home, self.series, self.seen = home, series, np.datetime64("2018-05-31")
        self.store = str(home / "network.db")
        home.mkdir()
        (home / "study.toml").write_text(STUDY)
        (home / "alerts.toml").write_text(channels)
        self.write(home, np.datetime64(0, "D"), self.seen, "{name}.nc")
        run(parse_study(STUDY, home / "study.toml"), STEPS, until="grids")

    def write(self, home, after, until, pattern):
        for name, data in self.series.items():
            times = data["time"].values
            part = data.isel(time=(times > after) & (times <= until)).rename(y="lat", x="lon")
            if part.sizes["time"]:
                part["lat"].attrs["units"], part["lon"].attrs["units"] = (
                    "degrees_north",
                    "degrees_east",
                )
                path = home / pattern.format(name=name, day=str(until)[:10])
                path.parent.mkdir(parents=True, exist_ok=True)
                whole = part.rename(name).drop_vars("depth", errors="ignore")
                whole.to_netcdf(path.with_name(f".{path.name}"), engine="h5netcdf")
                path.with_name(f".{path.name}").replace(path)

    def come(self, day):
        self.write(self.home / "incoming", self.seen, np.datetime64(day), "{name}/{name}_{day}.nc")
        self.seen = np.datetime64(day)

    def words(self, day):
        paths = [self.home / "study.toml", "--folder", self.home / "incoming"]
        rules = ["--store", self.store, "--rules", self.home / "alerts.toml"]
        return [str(word) for word in ("watch", *paths, *rules, "--day", f"{day:%Y-%m-%d}")]

    def look(self, day):
        done = CliRunner().invoke(app, self.words(day))
        assert done.exit_code == 0, done.output
        return done.output

    def killed(self, day, when):
        """Start a look, and kill it as soon as something has happened, or some time later."""
        child = subprocess.Popen(
            [sys.executable, "-m", "headwater", *self.words(day)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        while child.poll() is None and not when():
            time.sleep(0.002)
        child.kill()
        return child.wait() == -9

    def events(self):
        """Everything that was said, and when events began and ended."""
        with open_store(self.store) as store:
            return {
                one.key.partition("|")[2]: (
                    [row["kind"] for row in read_evidence(store, one.key)],
                    iso(one.raised),
                    one.resolved and iso(one.resolved),
                )
                for one in list_alerts(store, open_only=False)
            }


def rules(url, mail, bus, folder):
    return (
        f'[channels.hook]\nkind = "webhook"\nurl = "{url}"\n'
        f'[channels.mail]\nkind = "smtp"\nhost = "127.0.0.1"\nport = {mail}\nsecurity = "none"\n'
        'recipients = ["ranger@reserve.example"]\nlanguage = "zh"\n'
        f'[channels.bus]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = {bus}\n'
        f'[channels.files]\nkind = "cap"\nfolder = "{folder}"\nsender = "office@reserve.example"\n'
    )


def moment(place, at):
    """When a look is killed: while days are taken in, while the state is written, when it is."""
    home = place.home / "results/watch"
    days, kept = home / "days/ndvi", home / "watch.json"
    count, before = len(list(days.glob("[0-9]*"))), kept.stat().st_mtime_ns
    return {
        2: lambda: len(list(days.glob("[0-9]*"))) > count,
        5: (home / ".writing-watch.json").exists,
        8: lambda: kept.stat().st_mtime_ns != before,
    }[at]


def replay(place, *, killing):
    """Let all rasters come; returns how many looks were killed on the way."""
    kills = 0
    for at, day in enumerate(LOOKS):
        place.come(day)
        if killing and at in (2, 5, 8):
            kills += place.killed(day, moment(place, at))
        place.look(day)
    return kills


@pytest.mark.slow
def test_a_drought_resolves_and_a_grazed_patch_is_confirmed(tmp_path):
    series, folder = replayed(), tmp_path / "cap"
    with contextlib.ExitStack() as held:
        url, hooks = held.enter_context(receivers.receiver([]))
        mail, mails = held.enter_context(receivers.mail_server())
        bus, heard = held.enter_context(receivers.broker(tmp_path / "broker"))
        place = Place(tmp_path / "one", series, rules(url, mail, bus, folder))
        kills = replay(place, killing=True)
    assert kills >= 2, "nothing was killed"
    told = place.events()
    check_story(place, told, series["ndvi"])
    said = sum(len(kinds) for kinds, *_ in told.values())
    with open_store(place.store) as store, store.transaction(read_only=True) as session:
        rows = session.rows("SELECT channel, status FROM alert_outbox")
    assert {status for _, status in rows} == {"sent"}
    expected = {channel: sum(one == channel for one, _ in rows) for channel, _ in rows}
    assert expected == dict.fromkeys(("inbox", "hook", "mail", "bus", "files"), said)
    # each channel keeps its promise: nothing lost, a copy only of what was being sent at a kill
    names = [
        {headers["Idempotency-Key"] for headers, _ in hooks},
        {mail["Message-ID"] for mail in mails},
        {one["id"] for one in heard},
    ]
    for keys, got in zip(names, (hooks, mails, heard), strict=True):
        assert len(keys) == said <= len(got) <= said + kills
    bodies = [json.loads(body) for _, body in hooks]
    assert {(one["alert"], one["kind"]) for one in bodies} == {
        (one["alert"], one["kind"]) for one in heard
    }
    assert any("确认退化" in str(one.get_payload(decode=True), "utf-8") for one in mails)
    check_cap(folder, said)
    # and all is as if nothing had been killed
    calm = Place(tmp_path / "two", series, "")
    text = (calm.home / "study.toml").read_text().replace(', "hook", "mail", "bus", "files"', "")
    (calm.home / "study.toml").write_text(text)
    replay(calm, killing=False)
    assert calm.events() == told


def check_story(place, told, green):
    """The drought comes and resolves; the patch climbs, and the next season confirms it."""
    kinds, raised, resolved = told["drought|1"]
    assert kinds == ["watch", "resolved"]
    assert ("2018-06" < raised < "2018-09", "2018-08" < resolved < "2019-06") == (True, True)
    patch = next(key for key, (kinds, *_) in told.items() if "confirmed" in kinds)
    kinds, raised, resolved = told[patch]
    assert kinds[-2:] == ["warning", "confirmed"]
    assert raised[:4] == "2018"
    assert resolved is None
    with open_store(place.store) as store:
        (alert,) = [one for one in list_alerts(store) if one.key.endswith(patch)]
        assert acknowledge(store, alert.key, "Zhuoma").state == "acknowledged"
        detail = read_evidence(store, alert.key)[-1]
    assert detail["time"][:4] == "2019"
    assert abs(detail["longitude"] - green["x"].values[5]) < 0.08
    assert abs(detail["latitude"] - green["y"].values[3]) < 0.08
    assert detail["observed"] < 0.7 * detail["expected"]


def check_cap(folder, count):
    files = sorted(folder.glob("*.xml"))
    assert len(files) == count
    texts = [path.read_bytes() for path in files]
    for text in texts:
        assert cap_problems(text) == ()
    assert sum(b"<msgType>Update" in text for text in texts) >= 1
    assert all(b"<polygon>" in text for text in texts if b"Vegetation loss" in text)
    if SCHEMA.exists():
        import xmlschema

        schema = xmlschema.XMLSchema(SCHEMA)
        for text in texts:
            schema.validate(text.decode())
