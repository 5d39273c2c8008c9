"""What is kept of the clock that stamped an observation, and a person's word for its times."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from headwater.errors import InputError, nearest
from headwater.network.inventory import list_series
from headwater.network.store.protocol import Store

__all__ = ["CONFIRMED", "SET_BACK", "clock_state", "confirm_clock", "parameters_of"]

SET_BACK, CONFIRMED = "set back", "confirmed"
"""States of a clock, next to what was stamped by it after it was set back."""


def parameters_of(flag: object, clock: int) -> str | None:
    """Write what is kept next to an observation: the provider's flag, and the state of the clock.

    Examples
    --------
    >>> parameters_of("G", 7), parameters_of(None, 0)
    ('{"flag": "G", "clock": "set back"}', None)
    """
    held = {} if flag is None else {"flag": flag}
    if clock:
        held["clock"] = SET_BACK if clock > 0 else CONFIRMED
    return json.dumps(held) if held else None


def clock_state(parameters: str | None) -> str | None:
    """Read the state of the clock next to an observation; None where nothing is said of it.

    Examples
    --------
    >>> clock_state('{"flag": "G", "clock": "set back"}'), clock_state('{"flag": "clock"}')
    ('set back', None)
    """
    if parameters is None or '"clock"' not in parameters:
        return None
    held = json.loads(parameters)
    state = held.get("clock") if isinstance(held, dict) else None
    return state if isinstance(state, str) else None


def confirm_clock(store: Store, station: str, *, actor: str) -> dict[int, tuple[int, int]]:
    """Confirm the times of a station that follow where its clock was set back.

    Parameters
    ----------
    store : Store
    station : str
        Its name.
    actor : str
        Who confirms, for the audit trail.

    Returns
    -------
    dict of tuple of int
        First and last time that were confirmed, by datastream [µs]; to be controlled again.

    Raises
    ------
    InputError
        If the store has no such station.
    """
    with store.transaction(read_only=True) as session:
        streams = list_series(session)
    ids = [stream.id for stream in streams if stream.thing == station]
    if not ids:
        do = nearest(station, sorted({stream.thing for stream in streams}))
        raise InputError("the store has no such station", found=f"'{station}'", do=do)
    spans = {}
    for id in ids:
        held = store.read([id])
        if held.parameters is None:
            continue
        back = np.array([clock_state(text) == SET_BACK for text in held.parameters])
        texts = held.parameters[back]
        if len(texts):
            held = held.take(back)
            said = [json.dumps(json.loads(text) | {"clock": CONFIRMED}) for text in texts]
            parameters = np.array(said, dtype=object)
            store.write(
                replace(held, parameters=parameters, received=None, quality=None), actor=actor
            )
            spans[id] = (int(held.time[0]), int(held.time[-1]))
    return spans
