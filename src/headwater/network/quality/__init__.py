"""Quality control of soil sensors, which knows frost and thaw."""

from headwater.network.quality.control import Flagged, QualityControl, control
from headwater.network.quality.flags import DOUBTS, STATES, Flag, from_ismn, reasons, to_ismn
from headwater.network.quality.rules import Rules

__all__ = [
    "DOUBTS",
    "Flag",
    "Flagged",
    "QualityControl",
    "Rules",
    "STATES",
    "control",
    "from_ismn",
    "reasons",
    "to_ismn",
]
