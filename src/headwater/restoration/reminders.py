"""Which deadlines of a plan people are to be reminded of on a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from headwater.restoration.calendar_bands import REMINDERS
from headwater.restoration.plan import Plan, day_text

__all__ = ["Reminder", "due_reminders"]


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder.

    Attributes
    ----------
    key : str
        Unique for ever: year, unit, measure, day of beginning and days ahead. A plan whose dates
        change reminds anew.
    unit, measure : str
    begin_by : date
    days_ahead : int
        60, 30 or 14.
    headline : str
    """

    key: str
    unit: str
    measure: str
    begin_by: dt.date
    days_ahead: int
    headline: str


def due_reminders(plan: Plan, today: dt.date) -> tuple[Reminder, ...]:
    """List the reminders that are due on a day.

    Parameters
    ----------
    plan : Plan
    today : date

    Returns
    -------
    tuple of Reminder
        For work that is approved and whose latest beginning lies ahead: of the marks of 60, 30 and
        14 days the nearest that has passed. Who looks in late hears of a work once, not thrice.
    """
    found = []
    for line in plan.lines:
        for work in line.works if line.state == "approved" else ():
            text = day_text(plan.year, work.latest_beginning)
            if not text:
                continue
            begin = dt.date.fromisoformat(text)
            passed = [days for days in REMINDERS if (begin - today).days <= days]
            if not passed or begin < today:
                continue
            days = min(passed)
            words = plan.text(work.measure)["en"]
            found.append(
                Reminder(
                    key=f"plan-{plan.year}|{line.unit.name}|{work.measure}|{text}|{days}",
                    unit=line.unit.name,
                    measure=work.measure,
                    begin_by=begin,
                    days_ahead=days,
                    headline=f"{line.unit.name}: begin by {text}: {words}",
                )
            )
    return tuple(found)
