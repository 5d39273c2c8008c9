from .options import ReadingOptions
from .read import read_table

__all__ = [
    "ReadingOptions",
    "read_table",
]
