"""Where a virtual headwater lies: its grid and its outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from headwater.errors import GridError

__all__ = ["Frame", "outline"]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the headwater lies: a regular grid of cells, rows from north to south.

    Attributes
    ----------
    rows, columns : int
        Number of cells.
    resolution : float
        Side of a cell [degree].
    west, south : float
        Outer edges of the grid [degree].
    """

    rows: int
    columns: int
    resolution: float
    west: float
    south: float

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 4 or self.resolution <= 0:
            raise GridError(
                "a virtual headwater needs at least 4 × 4 cells of positive size",
                found=f"{self.rows} × {self.columns} cells of {self.resolution}°",
                do="Give a larger shape, or a positive resolution",
            )

    @property
    def height(self) -> float:
        """Extent from south to north [degree]."""
        return self.rows * self.resolution

    @property
    def width(self) -> float:
        """Extent from west to east [degree]."""
        return self.columns * self.resolution

    @property
    def latitude(self) -> NDArray[np.float64]:
        """Cell centres from north to south [degree], shape (rows,)."""
        return self.south + self.height * self.north

    @property
    def longitude(self) -> NDArray[np.float64]:
        """Cell centres from west to east [degree], shape (columns,)."""
        return self.west + self.width * self.east

    @property
    def north(self) -> NDArray[np.float64]:
        """Positions of the rows, from near 1 in the north to near 0 in the south."""
        return 1.0 - (np.arange(self.rows) + 0.5) / self.rows

    @property
    def east(self) -> NDArray[np.float64]:
        """Positions of the columns, from near 0 in the west to near 1 in the east."""
        return (np.arange(self.columns) + 0.5) / self.columns

    def refine(self, factor: int) -> Frame:
        """Return the same extent in cells `factor` times smaller."""
        return Frame(
            self.rows * factor,
            self.columns * factor,
            self.resolution / factor,
            self.west,
            self.south,
        )


def outline(frame: Frame) -> Polygon:
    """Outline of the study: a long lobed shape within the frame, the same for every seed.

    Parameters
    ----------
    frame : Frame
        The grid.

    Returns
    -------
    shapely.Polygon
        Longitude and latitude [degree].

    Examples
    --------
    >>> area = outline(Frame(72, 166, 0.05, 94.87, 36.43))
    >>> [round(edge, 2) for edge in area.bounds]
    [94.87, 36.43, 103.17, 40.03]
    """
    angle = np.linspace(0.0, 2.0 * np.pi, 181)[:-1]
    lobes = (
        1.0 + 0.07 * np.sin(3 * angle + 0.6) + 0.05 * np.cos(5 * angle) - 0.03 * np.sin(8 * angle)
    )
    # a rounded box (superellipse) leaning from north-west to south-east
    box = (np.abs(np.cos(angle)) ** 3 + np.abs(np.sin(angle)) ** 3) ** (-1 / 3)
    east, north = lobes * box * np.cos(angle), lobes * box * np.sin(angle)
    north = north - 0.35 * east
    corners = np.column_stack(
        [
            frame.west + frame.width * (east - east.min()) / np.ptp(east),
            frame.south + frame.height * (north - north.min()) / np.ptp(north),
        ]
    )
    return Polygon(corners)
