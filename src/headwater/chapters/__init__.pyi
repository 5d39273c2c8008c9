from .listing import SECTIONS
from .steps import STEPS

__all__ = [
    "SECTIONS",
    "STEPS",
]
