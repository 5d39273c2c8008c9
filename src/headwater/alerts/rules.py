"""The rules file: what is watched, when it is an alert, who hears of it; and one to begin with."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from headwater.alerts.lifecycle import Trigger
from headwater.errors import HeadwaterError, ProblemsError, StudyError, nearest
from headwater.glossary import GLOSSARY
from headwater.network.inventory import Stream, list_series
from headwater.network.store.protocol import Store

__all__ = [
    "AlertRule",
    "Channel",
    "Duty",
    "Rules",
    "read_rules",
    "rules_template",
    "unwatched_rules",
]

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_QUANTITIES = ("soil_moisture", "ndvi", "precipitation", "temperature")
_LOW, _CLEAR = 5.0, 15.0
_STATIONS = 'stations = ["*"]             # names, with * and ?'
_TEXT = """\
# Rules of alerts. Next: headwater alerts check, then headwater alerts try (nothing is sent).

[[rule]]
name = "{name}"
quantity = "{quantity}"{where}
below = {below:g}                # wrong at or below {unit}{why}
clear = {clear:g}                # right again at or above: between the two nothing changes
debounce = 3                 # readings in a row before it fires
hold = "6 h"                 # shortest time between two messages of one station
grace = "1 d"                # silence that is a message of its own
group = "10 min"             # a message waits so long for other stations to join it
channels = ["inbox"]         # inbox: headwater alerts list, and the platform
headline = "{headline}"

# Ways to people; name them in channels above. Secrets stand in files, never here.
#
# [channels.rangers]
# kind = "smtp"
# host = "mail.reserve.example"
# user = "headwater"
# password_file = "mail.secret"
# sender = "headwater@reserve.example"
# recipients = ["ranger@reserve.example"]
# language = "zh"            # or "en"
# status = "Exercise"        # while you try: every message says that it is a drill
#
# [channels.office]
# kind = "dingtalk"          # or wecom, feishu: a robot of the group
# url = "https://oapi.dingtalk.com/robot/send?access_token=..."
# password_file = "robot.secret"
#
# [channels.hook]
# kind = "webhook"           # signed with the secret; or mqtt (host, topic), or cap (folder)
# url = "https://example.org/alerts"
# password_file = "hook.secret"
"""


def _seconds(value: object) -> Any:
    """Read "6 h", "30 min" or a number of seconds."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*([\d.]+)\s*(s|min|h|d)\s*", value)
    if found is None:
        raise StudyError(
            "a length of time that cannot be read",
            found=f"'{value}'",
            do='Write it as "30 min", "6 h" or "2 d"',
        )
    return float(found[1]) * _UNITS[found[2]]


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Channel(_Table):
    """Table ``[channels.<name>]``: a way to people.

    Secrets stand in files or environment variables, never in the rules.
    """

    kind: Literal["inbox", "smtp", "webhook", "mqtt", "cap", "dingtalk", "wecom", "feishu"]
    url: str = Field("", description="Of a webhook, or of a DingTalk, WeCom or Feishu robot.")
    host: str = Field("localhost", description="Mail server or broker.")
    port: int = Field(0, description="Default: 587 for mail, 1883 for MQTT.")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="Of mail.")
    user: str = Field("", description="Of the mail server.")
    password_file: Path | None = Field(None, description="File with the password or secret.")
    sender: str = Field("headwater@localhost", description="Address of the sender.")
    recipients: tuple[str, ...] = Field((), description="Addresses of mail.")
    topic: str = Field("headwater/alerts", description="Of MQTT.")
    folder: Path = Field(Path("cap"), description="Of CAP files.")
    language: Literal["en", "zh"] = Field("en", description="Of the texts.")
    status: Literal["Actual", "Exercise", "Test"] = Field(
        "Actual", description="Exercise for drills: every message says so."
    )

    @model_validator(mode="after")
    def _check(self) -> Channel:
        needs = {"smtp": "recipients", "webhook": "url", "dingtalk": "url", "wecom": "url"}
        needs["feishu"] = "url"
        lacking = needs.get(self.kind)
        if lacking and not getattr(self, lacking):
            raise StudyError(
                f"a channel of kind {self.kind} without {lacking}",
                found="none",
                do=f"Give {lacking}",
            )
        return self


class AlertRule(_Table):
    """Table ``[[rule]]``: one thing to watch."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$", description="Letters, digits, - _ and .")
    quantity: str = Field(description="Word of the glossary.")
    stations: tuple[str, ...] = Field(("*",), description="Names, with * and ?.")
    cells: bool = Field(
        False,
        description="Watch virtual stations, too: cells of a study's cube that headwater network "
        "pixels --every has put in the store.",
    )
    depth: tuple[float, float] | None = Field(None, description="Least and greatest depth [m].")
    below: float | None = Field(None, description="Wrong at or below this.")
    above: float | None = Field(None, description="Wrong at or above this.")
    clear: float | None = Field(None, description="Right again at this; default: the same.")
    debounce: int = Field(2, ge=1, description="Readings in a row before it fires.")
    debounce_for: Seconds = Field(0.0, description='Time before it fires, "30 min".')
    hold: Seconds = Field(6 * 3600.0, description="Shortest time between two messages.")
    grace: Seconds | None = Field(None, description="Silence that is a message of its own.")
    severity: Literal["Extreme", "Severe", "Moderate", "Minor"] = "Moderate"
    channels: tuple[str, ...] = Field(("inbox",), description="Names of channels.")
    group: Seconds = Field(
        0.0, description="Time a message waits for other stations of its rule to join it."
    )
    headline: str = Field("", description="What people read first; default: from the rule.")
    instruction: str = Field("", description="What to do.")
    max_age: Seconds = Field(14 * 86400.0, description="Age beyond which nothing escalates.")
    escalate_after: Seconds | None = Field(
        None, description="Time unacknowledged before it goes on."
    )
    escalate_to: tuple[str, ...] = Field(
        (), description='Names of channels; "on-call" for whoever is on duty then.'
    )

    @model_validator(mode="after")
    def _check(self) -> AlertRule:
        if (self.below is None) == (self.above is None):
            raise StudyError(
                f"rule '{self.name}' needs one of below and above",
                found=f"below = {self.below}, above = {self.above}",
                do="Give exactly one",
            )
        if self.quantity not in GLOSSARY:
            raise StudyError(
                f"rule '{self.name}' watches an unknown quantity",
                found=f"'{self.quantity}'",
                do=nearest(self.quantity, list(GLOSSARY)),
            )
        _ = self.trigger
        return self

    @property
    def trigger(self) -> Trigger:
        """When it raises and clears."""
        low = self.below is not None
        level = self.below if self.below is not None else self.above
        assert level is not None
        return Trigger(
            raise_at=level,
            clear_at=level if self.clear is None else self.clear,
            below=low,
            debounce=self.debounce,
            debounce_seconds=self.debounce_for,
            hold_seconds=self.hold,
            grace_seconds=self.grace,
        )

    def names(self, series: Stream) -> bool:
        """Say whether a series is of a station and a quantity that this rule names."""
        named = any(fnmatchcase(series.thing, one) for one in self.stations)
        own = self.cells or not series.of_virtual_station
        return named and own and series.role == self.quantity

    def watches(self, series: Stream) -> bool:
        """Say whether a series is watched by this rule."""
        if not self.names(series):
            return False
        if self.depth is None:
            return True
        return series.depth is not None and self.depth[0] <= series.depth <= self.depth[1]


class Duty(_Table):
    """Table ``[[duty]]``: whose turn it is, for "on-call"."""

    channel: str = Field(description="Name of the channel of who is on duty.")
    start: dt.datetime = Field(description="First moment, with its offset.")
    end: dt.datetime = Field(description="End, with its offset.")

    @model_validator(mode="after")
    def _check(self) -> Duty:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.end <= self.start:
            raise StudyError(
                f"a turn of duty of '{self.channel}' that cannot be",
                found=f"{self.start} to {self.end}",
                do="Give start and a later end, both with an offset: 2026-07-01T08:00:00+08:00",
            )
        return self


class Rules(_Table):
    """A rules file, read and checked.

    Examples
    --------
    >>> rules = Rules.model_validate({"rule": [{"name": "dry", "quantity": "soil_moisture",
    ...                                         "below": 0.1, "clear": 0.12, "hold": "6 h"}]})
    >>> rules.rule[0].trigger.hold_seconds
    21600.0
    """

    rule: tuple[AlertRule, ...] = ()
    channels: dict[str, Channel] = {}
    duty: tuple[Duty, ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> Rules:
        known = {"inbox", *self.channels}
        for turn in self.duty:
            if turn.channel not in known:
                raise StudyError(
                    "a turn of duty names an unknown channel",
                    found=f"'{turn.channel}'",
                    do=nearest(turn.channel, sorted(known)),
                )
        names = [one.name for one in self.rule]
        double = sorted({one for one in names if names.count(one) > 1})
        if double:
            raise StudyError(
                "two rules of one name", found=f"'{double[0]}'", do="Give each its own name"
            )
        for one in self.rule:
            for channel in (*one.channels, *one.escalate_to):
                if channel not in known and channel != "on-call":
                    raise StudyError(
                        f"rule '{one.name}' names an unknown channel",
                        found=f"'{channel}'",
                        do=f"{nearest(channel, sorted(known))} or add [channels.{channel}]",
                    )
        return self

    def reached(self, rule: AlertRule, time: int) -> tuple[str, ...]:
        """Name the channels that an alert escalates to at a time [µs].

        ``on-call`` is whoever is on duty then; where nobody is, the inbox, so that it shows.
        """
        now = dt.datetime.fromtimestamp(time / 1e6, dt.UTC)
        turns = [one.channel for one in self.duty if one.start <= now < one.end] or ["inbox"]
        names = [
            name for one in rule.escalate_to for name in (turns if one == "on-call" else [one])
        ]
        return tuple(dict.fromkeys(names))

    def channel(self, name: str) -> Channel:
        """Give a channel by name; ``inbox`` is always there, any other unknown one is an error."""
        found = self.channels.get(name)
        if found is None and name != "inbox":
            raise StudyError(
                "a channel that the rules file does not have",
                found=f"'{name}'; it has {', '.join(sorted({'inbox', *self.channels}))}",
                do=f"Add [channels.{name}] to the rules file, and name that file with --rules",
            )
        return found or Channel.model_validate({"kind": "inbox"})


def read_rules(path: str | Path) -> Rules:
    """Read and check a rules file.

    Parameters
    ----------
    path : str or Path
        TOML.

    Returns
    -------
    Rules

    Raises
    ------
    ProblemsError
        With everything that is wrong, all at once.
    """
    file = Path(path)
    problems: list[HeadwaterError]
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        return Rules.model_validate(raw)
    except OSError as error:
        problems = [StudyError("the rules cannot be read", found=str(error), do="Correct the path")]
    except ValueError as error:
        problems = [*_problems(error, file)]
    raise ProblemsError(problems)


def _problems(error: ValueError, file: Path) -> list[HeadwaterError]:
    if not isinstance(error, ValidationError):
        return [StudyError(f"{file} is not TOML", found=str(error), do="Correct the line it names")]
    found: list[HeadwaterError] = []
    for entry in error.errors():
        cause = entry.get("ctx", {}).get("error")
        place = ".".join(str(one) for one in entry["loc"])
        if isinstance(cause, HeadwaterError):
            found.append(cause)
        elif entry["type"] == "extra_forbidden":
            known = [*Rules.model_fields, *AlertRule.model_fields, *Channel.model_fields]
            name = str(entry["loc"][-1])
            found.append(StudyError(f"unknown key {place}", found=name, do=nearest(name, known)))
        else:
            found.append(
                StudyError(
                    f"{place}: {entry['msg']}", found=str(entry["input"])[:80], do="Correct it"
                )
            )
    return found


def rules_template(store: Store | None = None) -> str:
    """Write a rules file for what a store observes.

    Parameters
    ----------
    store : Store, optional
        Its soil water, or what else it observes, gives stations and levels: the 5th percentile of
        the daily means raises and the 15th clears. Without a store the levels are examples.

    Returns
    -------
    str
        TOML that :func:`headwater.alerts.read_rules` reads.

    Examples
    --------
    >>> import tomllib
    >>> tomllib.loads(rules_template())["rule"][0]["quantity"]
    'soil_moisture'
    """
    found = None if store is None else _levels(store)
    if found is None:
        quantity, below, clear, unit = "soil_moisture", 0.12, 0.15, "m3 m-3"
        why, where = ": an example, correct it", f"\n{_STATIONS}"
    else:
        quantity, below, clear, unit, stations, days = found
        why = f": the {_LOW:g}th percentile of {days} daily means"
        listed = ", ".join(stations[:6]) + (", ..." if len(stations) > 6 else "")
        where = f"\n{_STATIONS}; now: {listed}"
    words = quantity.replace("_", " ")
    return _TEXT.format(
        name=f"low-{quantity.replace('_', '-')}",
        quantity=quantity,
        where=where,
        below=below,
        clear=clear,
        unit=f"[{unit}]",
        why=why,
        headline=f"Low {words}",
    )


def _levels(store: Store) -> tuple[str, float, float, str, list[str], int] | None:
    with store.transaction(read_only=True) as session:
        streams = [one for one in list_series(session) if one.count]
    roles = {one.role for one in streams}
    quantity = next((name for name in _QUANTITIES if name in roles), None)
    if quantity is None:
        return None
    own = [one for one in streams if one.role == quantity]
    mean = store.daily_means([one.id for one in own]).mean
    mean = mean[np.isfinite(mean)]
    if not len(mean):
        return None
    below, clear = (float(f"{one:.3g}") for one in np.percentile(mean, [_LOW, _CLEAR]))
    # a record without spread still needs a step between the two, or alerts would flap
    clear = max(clear, float(f"{below + 0.05 * abs(below):.3g}"))
    unit = own[0].unit or "1"
    return quantity, below, clear, unit, sorted({one.thing for one in own}), len(mean)


def unwatched_rules(store: Store, rules: Rules) -> list[HeadwaterError]:
    """Name each rule that no series of a store fits, with what comes nearest.

    Parameters
    ----------
    store : Store
    rules : Rules

    Returns
    -------
    list of HeadwaterError
        Empty where each rule watches something.
    """
    with store.transaction(read_only=True) as session:
        streams = list_series(session, virtual=True)
    return [
        _problem(rule, streams)
        for rule in rules.rule
        if not any(rule.watches(one) for one in streams)
    ]


def _problem(rule: AlertRule, streams: list[Stream]) -> StudyError:
    cells = [one for one in streams if one.of_virtual_station and one.role == rule.quantity]
    if cells and not rule.cells and rule.model_copy(update={"cells": True}).names(cells[0]):
        return StudyError(
            f"rule '{rule.name}' watches nothing but cells of a grid, and does not ask for them",
            found=_some(sorted({one.thing for one in cells})),
            do="Write cells = true in the rule",
        )
    known = [one for one in streams if rule.cells or not one.of_virtual_station]
    of_quantity = [one for one in known if one.role == rule.quantity]
    if not of_quantity:
        observed = sorted({one.role for one in known})
        return StudyError(
            f"rule '{rule.name}' watches nothing: no station observes {rule.quantity}",
            found=", ".join(observed) or "an empty store",
            do=nearest(rule.quantity, observed) if observed else "Ingest observations first",
        )
    named = [one for one in of_quantity if rule.names(one)]
    if not named:
        stations = sorted({one.thing for one in of_quantity})
        return StudyError(
            f"rule '{rule.name}' names no station that observes {rule.quantity}",
            found=f"stations = {list(rule.stations)}; there are {_some(stations)}",
            do=nearest(rule.stations[0] if rule.stations else "", stations),
        )
    depths = sorted({one.depth for one in named if one.depth is not None})
    return StudyError(
        f"rule '{rule.name}' watches nothing: no series of {rule.quantity} lies at its depth",
        found=f"depth = {list(rule.depth or ())}; there are {_some([f'{d:g} m' for d in depths])}",
        do="Correct depth, or leave it out for all depths",
    )


def _some(names: list[str]) -> str:
    most = 8
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none with a depth"
