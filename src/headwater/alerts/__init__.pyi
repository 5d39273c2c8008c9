from .cap import write_cap
from .events import acknowledge, evaluate, list_alerts, replay_rule
from .outbox import deliver
from .rules import read_rules

__all__ = [
    "acknowledge",
    "deliver",
    "evaluate",
    "list_alerts",
    "read_rules",
    "replay_rule",
    "write_cap",
]
