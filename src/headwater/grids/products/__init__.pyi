from ._stack import quality_counts
from .catalogue import read_product

__all__ = [
    "quality_counts",
    "read_product",
]
