"""Rules that watch nothing: their names, quantities or depths fit no series of the store."""

from __future__ import annotations

from headwater.alerts.rules import AlertRule, Rules
from headwater.errors import HeadwaterError, StudyError, nearest
from headwater.network.inventory import Stream, list_series
from headwater.network.store.protocol import Store

__all__ = ["unwatched_rules"]


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
