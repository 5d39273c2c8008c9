from .cap import CapAlert, CapArea, cap_problems, write_cap
from .channels import sender
from .events import acknowledge, add_silence, evaluate, list_alerts, read_evidence, replay_rule
from .outbox import deliver
from .rules import Rules, read_rules

__all__ = [
    "CapAlert",
    "CapArea",
    "Rules",
    "acknowledge",
    "add_silence",
    "cap_problems",
    "deliver",
    "evaluate",
    "list_alerts",
    "read_evidence",
    "read_rules",
    "replay_rule",
    "sender",
    "write_cap",
]
