from .listing import SECTIONS, STEPS

__all__ = [
    "SECTIONS",
    "STEPS",
]
