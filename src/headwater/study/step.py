"""What a step of a study is, and what it sees while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import HeadwaterError
from headwater.results import Result
from headwater.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.grids.area import Area
    from headwater.study.model import Study

__all__ = ["Context", "Step"]


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a step may use; it reads from earlier steps and writes only below `folder`.

    Attributes
    ----------
    study : Study
        The validated study file.
    settings : Settings
        Workers, block size.
    folder : Path
        The step's own folder, under a temporary name until the step has finished.
    results : Path
        The results folder, where the folders of finished steps lie.
    area : Area or None
        The study area, for outlines.
    rng : numpy.random.Generator
        Seeded from the study file and the step's name.
    progress : callable
        ``progress(fraction_done, what_is_being_done)``.
    opened : mapping of DataArray
        Inputs that the check has opened already; thousands of files are not opened twice.
    rehearsal : bool
        Whether all results are thrown away: maps and pages that no step reads are not written.
    """

    study: Study
    settings: Settings
    folder: Path
    results: Path
    area: Area | None
    rng: np.random.Generator
    progress: Callable[[float, str], None]
    opened: Mapping[str, xr.DataArray] = field(default_factory=dict)
    rehearsal: bool = False

    def variable(self, name: str) -> xr.DataArray:
        """Open a variable on the study grid, lazily: as downscaled, else as ``grids`` left it."""
        import xarray as xr

        finer = self.study.downscaling
        step = "downscaling" if finer is not None and finer.of == name else "grids"
        cube: xr.Dataset = xr.open_zarr(self.results / step / f"{name}.zarr", decode_coords="all")
        return cube[name]

    def load(self, key: str) -> Result:
        """Load a result of an earlier step, by ``"step/name"``."""
        from headwater.study.results_io import load_result

        return load_result(self.results, key)


Check = Callable[
    ["Study", Mapping[str, "xr.DataArray"], "GeoBox", "tuple[Any, Any] | None"],
    Iterable["HeadwaterError"],
]


def _no_problems(*_: Any) -> Iterable[HeadwaterError]:
    return ()


Notes = Callable[
    ["Study", Mapping[str, "xr.DataArray"], "GeoBox", "tuple[Any, Any] | None"], Iterable[str]
]


def _no_notes(*_: Any) -> Iterable[str]:
    return ()


def _no_names(_: Study) -> Iterable[str]:
    return ()


def _no_tables(_: Study) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: computed whole, saved whole, skipped on resume when nothing it needs has changed.

    Attributes
    ----------
    name : str
        The room's name, and the name of the folder under ``results/``.
    title : str
        What the progress bar says.
    needs : tuple of str
        Steps that must have finished before.
    options : callable
        ``options(study)`` returns the part of the study that this step depends on (hashed for
        resume), or None when the study does not ask for this step.
    run : callable
        ``run(context)`` returns results by name; the engine saves each as CSV or NetCDF + GeoTIFF.
        What it writes itself (Zarr cubes) it writes below ``context.folder``.
    after : tuple of str
        Steps whose results it takes where the study asks for them, and does without where not.
    check : callable
        ``check(study, inputs, grid, period)`` lists, from the opened inputs and before anything is
        computed, what would stop the step.
    read_tables : callable
        ``read_tables(study)`` reads the tables of the step, raises where one cannot be used, and
        returns a line on what was found.
    patterns : callable
        ``patterns(study)`` names the variables that must differ from cell to cell.
    notes : callable
        ``notes(study, inputs, grid, period)`` says what the step will do otherwise than asked.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    options: Callable[[Study], Mapping[str, Any] | None]
    run: Callable[[Context], Mapping[str, Result]]
    after: tuple[str, ...] = ()
    check: Check = _no_problems
    read_tables: Callable[[Study], str | None] = _no_tables
    patterns: Callable[[Study], Iterable[str]] = _no_names
    notes: Notes = _no_notes
