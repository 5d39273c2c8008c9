from .events import acknowledge, evaluate, list_alerts
from .outbox import deliver
from .rules import read_rules

__all__ = [
    "acknowledge",
    "deliver",
    "evaluate",
    "list_alerts",
    "read_rules",
]
