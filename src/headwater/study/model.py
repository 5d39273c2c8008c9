"""What a study file may say: its tables, keys, defaults and meanings."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from headwater.chapters.correlation.options import CorrelationOptions
from headwater.chapters.detector.options import DetectorOptions
from headwater.chapters.downscaling.options import DownscalingOptions
from headwater.chapters.restoration.options import RestorationOptions
from headwater.chapters.samples.options import SamplesOptions
from headwater.chapters.validation.options import ValidationOptions
from headwater.chapters.variation.options import VariationOptions
from headwater.chapters.vegetation.options import VegetationOptions
from headwater.chapters.warning.options import WarningOptions
from headwater.errors import StudyError, nearest
from headwater.glossary import GLOSSARY, Kind, Term, Total
from headwater.results import fingerprint
from headwater.storage import is_url
from headwater.study.options import RelativePath, ReportOptions
from headwater.tables import ReadingOptions
from headwater.units import parse

__all__ = [
    "AreaTable",
    "Georeference",
    "GridTable",
    "InputTable",
    "Study",
    "StudyTable",
    "Table",
]

_NO_FILE = re.compile(r'[/\\:*?"<>|\x00-\x1f]|^\.|[. ]$')
"""In a name, what makes it none of a file on every system."""
DERIVED = ("slope", "aspect")
"""Quantities that come from ``inputs.elevation`` when no input gives them."""


def _iso_date(value: object) -> Any:
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else value


def _epsg_code(crs: object) -> Any:
    return f"EPSG:{crs}" if isinstance(crs, int) and not isinstance(crs, bool) else crs


def _known_crs(crs: str) -> str:
    from headwater.grids._axes import known_crs

    known_crs(crs)
    return crs


Date = Annotated[str, BeforeValidator(_iso_date)]
CRS = Annotated[str, BeforeValidator(_epsg_code), AfterValidator(_known_crs)]


class Table(BaseModel):
    """A table of the study file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StudyTable(Table):
    """The study as a whole."""

    name: str = Field(description="Title of the report.")
    results: RelativePath = Field(
        "results",
        validate_default=True,
        description="Folder of the results, or a URL (s3://…, gs://…, az://…) to publish them at.",
    )
    crs: CRS | None = Field(
        None,
        description="Coordinate reference system of files that do not say theirs, and of the "
        'study grid where it takes it from nothing else; "EPSG:4326" or the like.',
    )
    period: tuple[Date, Date] | None = Field(
        None, description="First and last day; default: the period that all inputs share."
    )
    growing_season: tuple[int, int] = Field(
        (5, 10), description="First and last month of the growing season; [11, 3] spans New Year."
    )
    seed: int = Field(1, ge=0, description="Seed of everything that draws random numbers.")

    @field_validator("period")
    @classmethod
    def _check_period(cls, period: tuple[str, str] | None) -> tuple[str, str] | None:
        if period is None:
            return None
        try:
            start, end = (dt.date.fromisoformat(day[:10]) for day in period)
        except ValueError as error:
            raise StudyError(
                "a day that the calendar does not know",
                found=f"{list(period)}",
                do='Write days as "2017-01-31"',
            ) from error
        if start > end:
            raise StudyError(
                "the period ends before it starts",
                found=f"{list(period)}",
                do="Exchange the two days",
            )
        return period

    @field_validator("growing_season")
    @classmethod
    def _check_season(cls, months: tuple[int, int]) -> tuple[int, int]:
        if not all(1 <= month <= 12 for month in months):
            raise StudyError(
                "a month that does not exist", found=f"{list(months)}", do="Use months 1 to 12"
            )
        return months


class AreaTable(Table):
    """The study area: polygons, a box, or the polygons within a box; without it, the whole grid."""

    path: RelativePath | None = Field(
        None, description="Polygon file (GeoJSON, GeoPackage, Shapefile)."
    )
    encoding: str | None = Field(
        None, description='Encoding of the attributes of a file that does not say its: "GBK".'
    )
    where: dict[str, str | int | float | tuple[str | int | float, ...]] = Field(
        {}, description="Attributes that the wanted polygons have, each a value or a list."
    )
    bbox: tuple[float, float, float, float] | None = Field(
        None, description="West, south, east, north: the area, or what is kept of the polygons."
    )
    crs: CRS | None = Field(
        None,
        description="Coordinate reference system of the box, or of a file that does not say its; "
        'default "EPSG:4326".',
    )

    @model_validator(mode="after")
    def _check_one_outline(self) -> AreaTable:
        if self.path is None and self.bbox is None:
            raise StudyError(
                "an area is a polygon file, a box, or both",
                found="neither",
                do="Give path, bbox = [west, south, east, north], or both",
            )
        if self.bbox and not (self.bbox[0] < self.bbox[2] and self.bbox[1] < self.bbox[3]):
            raise StudyError(
                "a box without extent",
                found=f"bbox = {list(self.bbox)}",
                do="Write it as [west, south, east, north]",
            )
        return self


class GridTable(Table):
    """The study grid, onto which every input is aligned."""

    like: str | None = Field(
        None, description="Name of the input whose grid is the study grid; default: the first."
    )
    resolution: float | None = Field(
        None, gt=0, description="Cell size in units of the CRS, in place of an input's grid."
    )
    crs: CRS | None = Field(
        None, description="Coordinate reference system of a grid given by its resolution."
    )
    min_coverage: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Least share of a cell that finer data must cover for the cell to be valid.",
    )

    @model_validator(mode="after")
    def _check_one_grid(self) -> GridTable:
        if self.like and self.resolution:
            raise StudyError(
                "a grid is either like an input or of a given resolution",
                found="both like and resolution",
                do="Remove one of the two",
            )
        return self


class Georeference(Table):
    """A second file that holds the right coordinates of the first."""

    path: RelativePath = Field(description="File with the coordinates.")
    x: str = Field("x", description="Its variable with the easting or longitude.")
    y: str = Field("y", description="Its variable with the northing or latitude.")


_OF_FILES = (
    "variable",
    "units",
    "crs",
    "layer_depth",
    "time",
    "stamp",
    "missing",
    "valid",
    "scale",
    "offset",
    "georeference",
    "reading",
)
"""Keys that say how a file is read, which a product knows itself."""


class InputTable(Table):
    """One quantity: where it is and what it is."""

    path: RelativePath | tuple[RelativePath, ...] = Field(
        description="File, glob pattern or list of files: NetCDF, Zarr, GeoTIFF, ESRI ASCII; or "
        "tables (CSV, XLSX) of longitude, latitude, time and the quantity: points on a lattice "
        "make a grid, stations are kriged."
    )
    product: str | None = Field(
        None,
        description='Files as a data centre delivers them: "smap-l3-am", "esa-cci", "gldas-noah", '
        '"modis-ndvi" or the like; its flags are read and poor values left out.',
    )
    variable: str | None = Field(
        None, description="Variable in the file; needed only where it holds several."
    )
    units: str | None = Field(None, description="Unit of a file that does not say its, or wrongly.")
    crs: CRS | None = Field(None, description="Coordinate reference system of the file.")
    layer_depth: float | None = Field(
        None, gt=0, description="Thickness of the soil layer [m]; turns kg m-2 into m3 m-3."
    )
    time: str | None = Field(
        None,
        description="How dates are written in the time axis, in file names or in the bands: "
        '"%Y%m%d", "%Y.%m.{dekad}" or "{pentad}" where parts of a month are numbered; or first '
        'date and step, "2000-01-01/P1M". Dates by CF and of common patterns are found without it; '
        'where a name says more than a year ("sm_JJA_2015"), "%Y" takes the year alone.',
    )
    stamp: Literal["start", "middle", "end"] | None = Field(
        None,
        description="Where the times stand in their steps, if neither bounds nor the times "
        "themselves say it.",
    )
    missing: float | tuple[float, ...] | None = Field(
        None,
        description="Stored numbers that mean no value, besides those that the file declares; [] "
        "where even its own are values.",
    )
    valid: tuple[float, float] | None = Field(
        None, description="Least and greatest stored number that is valid; wins over the file's."
    )
    scale: float | None = Field(
        None, description="Value = stored number × scale + offset; wins over the file's."
    )
    offset: float | None = Field(None, description="See scale.")
    reading: ReadingOptions | None = Field(
        None,
        description="What a table leaves open: encoding, dates, zone, missing; see tables.md.",
    )
    align: Literal["mean", "bilinear", "nearest", "mode"] | None = Field(
        None,
        description="How it comes onto the study grid; default: mean where the file is finer, "
        "else bilinear; for classes mode where finer, else nearest.",
    )
    classes: dict[str, str] = Field(
        {},
        description='Names of classes by their number, for figures and tables: { "1" = "desert", '
        '"2" = "meadow" }; a class without one is called by its number.',
    )
    georeference: Georeference | None = Field(
        None, description="File with the right coordinates, where the file's own are wrong."
    )
    quantity: str | None = Field(
        None, description="Name in the glossary, where the key is a name of your own."
    )
    long_name: str | None = Field(
        None, description="Words for figures; with units, it makes a quantity of your own."
    )
    kind: Kind = Field(
        "continuous", description="Of a quantity of your own: continuous, circular or categorical."
    )
    total: Total = Field(
        "mean", description="Of a quantity of your own: how steps add up, mean, sum or none."
    )

    @model_validator(mode="before")
    @classmethod
    def _earlier_names(cls, raw: object) -> Any:
        """Read ``time_pattern``, as the key ``time`` was called."""
        if not isinstance(raw, dict) or "time_pattern" not in raw or "time" in raw:
            return raw
        return {"time" if key == "time_pattern" else key: value for key, value in raw.items()}

    @field_validator("valid")
    @classmethod
    def _check_valid(cls, valid: tuple[float, float] | None) -> tuple[float, float] | None:
        if valid is not None and not valid[0] < valid[1]:
            raise StudyError(
                "a range without extent", found=f"valid = {list(valid)}", do="Write [least, most]"
            )
        return valid

    @field_validator("units")
    @classmethod
    def _check_units(cls, units: str | None) -> str | None:
        if units is not None:
            parse(units)
        return units

    @model_validator(mode="after")
    def _check_product(self) -> InputTable:
        if self.product is None:
            return self
        from headwater.grids.products.catalogue import PRODUCTS

        if self.product not in PRODUCTS:
            raise StudyError(
                "unknown product", found=f"'{self.product}'", do=nearest(self.product, [*PRODUCTS])
            )
        given = [key for key in _OF_FILES if getattr(self, key) is not None]
        if given:
            raise StudyError(
                "a product says itself how its files are read",
                found=f"product = '{self.product}' with {', '.join(given)}",
                do=f"Remove {', '.join(given)}, or the product",
            )
        return self

    @field_validator("classes")
    @classmethod
    def _check_classes(cls, classes: dict[str, str]) -> dict[str, str]:
        wrong = [code for code in classes if not re.fullmatch(r"-?\d+", code)]
        if wrong:
            raise StudyError(
                "classes are named by their numbers",
                found=f"classes with '{wrong[0]}'",
                do='Write them as { "1" = "desert", "2" = "meadow" }',
            )
        return classes

    @field_validator("quantity")
    @classmethod
    def _check_quantity(cls, quantity: str | None) -> str | None:
        if quantity is not None and quantity not in GLOSSARY:
            raise StudyError(
                "unknown quantity", found=f"'{quantity}'", do=nearest(quantity, list(GLOSSARY))
            )
        return quantity

    def term(self, name: str) -> Term:
        """Say what quantity the input with this name is.

        Parameters
        ----------
        name : str
            The key of the input's table.

        Returns
        -------
        Term
            Of the glossary, under the input's own name; or a quantity of the study's own.

        Raises
        ------
        StudyError
            If the name is none that a file can have, or neither it nor `quantity` is in the
            glossary, and `units` and `long_name` do not make it a quantity of the study's own.
        """
        if not name or _NO_FILE.search(name):
            raise StudyError(
                "the name of an input names files of the results",
                found=f"'{name}'",
                do="Write it with letters, digits, _ and -",
            )
        known = GLOSSARY.get(self.quantity or name)
        if known is not None:
            return replace(known, name=name, long_name=self.long_name or known.long_name)
        if self.units is None or self.long_name is None:
            raise StudyError(
                f"[inputs.{name}] is no quantity of the glossary",
                found=f"'{name}'",
                do=f"Give quantity = …, or units and long_name. {nearest(name, list(GLOSSARY))}",
            )
        everything = (float("-inf"), float("inf"))
        return Term(name, name, self.long_name, "", self.units, everything, self.kind, self.total)


class Study(Table):
    """A study file, read and found sound.

    Examples
    --------
    >>> study = Study.model_validate(
    ...     {"study": {"name": "Qilian"}, "inputs": {"soil_moisture": {"path": "sm.nc"}}}
    ... )
    >>> study.growing_season, study.term("soil_moisture").units
    ((5, 10), 'm3 m-3')
    """

    study: StudyTable
    inputs: dict[str, InputTable] = {}
    area: AreaTable | None = None
    grid: GridTable = Field(default_factory=lambda: GridTable.model_validate({}))
    downscaling: DownscalingOptions | None = None
    validation: ValidationOptions | None = None
    variation: VariationOptions | None = None
    correlation: CorrelationOptions | None = None
    detector: DetectorOptions | None = None
    vegetation: VegetationOptions | None = None
    warning: WarningOptions | None = None
    samples: SamplesOptions | None = None
    restoration: RestorationOptions | None = None
    report: ReportOptions = Field(default_factory=lambda: ReportOptions.model_validate({}))
    settings: dict[str, Any] = {}

    _file: Path = PrivateAttr(default=Path("study.toml"))
    _text: str = PrivateAttr(default="")

    @property
    def file(self) -> Path:
        """The study file."""
        return self._file

    @property
    def text(self) -> str:
        """The study file's own words."""
        return self._text

    @property
    def name(self) -> str:
        """Title of the report."""
        return self.study.name

    @property
    def results(self) -> Path:
        """Folder of the results; of results at a URL, the one from which they are published."""
        if self.results_url is None:
            return Path(self.study.results)
        mark = fingerprint(self.results_url)[:8]
        return self.file.parent / f".{self.file.stem}-results-{mark}"

    @property
    def results_url(self) -> str | None:
        """URL at which the results are published; None where they stay in a folder."""
        return self.study.results if is_url(self.study.results) else None

    @property
    def period(self) -> tuple[str, str] | None:
        """First and last day, where the study file gives them."""
        return self.study.period

    @property
    def growing_season(self) -> tuple[int, int]:
        """First and last month of the growing season."""
        return self.study.growing_season

    @property
    def seed(self) -> int:
        """Seed of everything that draws random numbers."""
        return self.study.seed

    @property
    def like(self) -> str | None:
        """The input whose grid is the study grid, unless a resolution is given."""
        if self.grid.resolution is not None:
            return None
        coarse = self.downscaling.of if self.downscaling else None
        fine = (name for name in self.inputs if name != coarse)
        return self.grid.like or next(fine, None)

    @property
    def derived(self) -> tuple[str, ...]:
        """Terrain that is derived from the elevation because no input gives it."""
        if "elevation" not in self.inputs:
            return ()
        return tuple(name for name in DERIVED if name not in self.inputs)

    def require(self, table: str, names: Iterable[str]) -> None:
        """Refuse names in a table of the study file that are no variables of the study."""
        for name in names:
            if name not in self.variables:
                raise StudyError(
                    f"[{table}] names a variable that the study does not have",
                    found=f"'{name}'",
                    do=nearest(name, self.variables),
                )

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of everything that will lie on the study grid."""
        return (*self.inputs, *self.derived)

    def term(self, name: str) -> Term:
        """Say what quantity a variable of the study is.

        Parameters
        ----------
        name : str
            An input's name, or derived terrain.

        Returns
        -------
        Term

        Raises
        ------
        StudyError
            If the study has no such variable.
        """
        if name in self.inputs:
            return self.inputs[name].term(name)
        if name in self.derived:
            return GLOSSARY[name]
        raise StudyError(
            "no such variable in the study", found=f"'{name}'", do=nearest(name, self.variables)
        )
