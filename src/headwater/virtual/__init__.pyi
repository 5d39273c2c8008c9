from .headwater import VirtualHeadwater, make_headwater

__all__ = [
    "VirtualHeadwater",
    "make_headwater",
]
