"""Quality control of soil sensors, which knows frost and thaw."""

from headwater.stations.quality.control import Flagged, QualityControl, control
from headwater.stations.quality.flags import DOUBTS, STATES, Flag, from_ismn, reasons, to_ismn
from headwater.stations.quality.rules import Rules

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
