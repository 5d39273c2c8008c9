from . import (
    chapters,
    detector,
    downscaling,
    grids,
    inference,
    isotopes,
    network,
    report,
    study,
    tables,
    validation,
    variation,
    virtual,
)

__version__: str
__all__ = [
    "__version__",
    "chapters",
    "detector",
    "downscaling",
    "grids",
    "inference",
    "isotopes",
    "network",
    "report",
    "study",
    "tables",
    "validation",
    "variation",
    "virtual",
]
