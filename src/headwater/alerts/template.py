"""A first rules file: a rule for what the store observes, and every channel as a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headwater.network.inventory import list_series

if TYPE_CHECKING:
    from headwater.network.store.protocol import Store

__all__ = ["rules_template"]

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
