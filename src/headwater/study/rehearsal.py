"""Small studies are rehearsed before they are computed, so that nothing stops them later."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import HeadwaterError, ProblemsError
from headwater.settings import Settings, resolve
from headwater.study.inputs import read_study_area

if TYPE_CHECKING:
    import xarray as xr

    from headwater.study.model import Study
    from headwater.study.step import Step

__all__ = ["LARGEST", "in_memory", "is_small", "rehearse"]

LARGEST = 3_000_000
"""Values of all inputs in area and period up to which a study is rehearsed."""
# Keys that make a step longer without deciding whether it can be done.
_SHORT: dict[str, dict[str, Any]] = {
    "detector": {"draws": 99},
    "downscaling": {"trees": 10, "twins": 0},
}


def is_small(inputs: Mapping[str, xr.DataArray], study: Study) -> bool:
    """Whether a study is rehearsed.

    Parameters
    ----------
    inputs : mapping of DataArray
        Those of the study, opened.
    study : Study
        Whose area and period count.

    Returns
    -------
    bool
    """
    from headwater.grids import clip
    from headwater.grids.times import in_period
    from headwater.study.inputs import period_of

    area, period = read_study_area(study), period_of(study, inputs)
    count = 0
    for data in inputs.values():
        part = in_period(data if area is None else clip(data, area, margin=1), period)
        count += math.prod(part.shape)
    return count <= LARGEST


def in_memory(data: xr.DataArray) -> xr.DataArray:
    """Read a small input once, as it is looked at several times.

    Parameters
    ----------
    data : DataArray
        As opened.

    Returns
    -------
    DataArray
        In one block of memory; `data` itself where it is large.
    """
    if data.chunks is None or data.size > LARGEST:
        return data
    return data.copy(data=data.values).chunk()


def rehearse(
    study: Study, steps: Sequence[Step], inputs: Mapping[str, xr.DataArray]
) -> list[HeadwaterError]:
    """Compute a small study into a folder that is thrown away, and say what stops it.

    Parameters
    ----------
    study : Study
        In which nothing wrong was found.
    steps : sequence of Step
        All there are.
    inputs : mapping of DataArray
        Those of the study, opened.

    Returns
    -------
    list of HeadwaterError
        Empty where it finishes, or where it is too large for a rehearsal.
    """
    from headwater.study.engine import run

    if not inputs or not is_small(inputs, study):
        return []
    with tempfile.TemporaryDirectory() as folder, _silence():
        try:
            short, here = _shortened(study, Path(folder)), _here(study)
            run(short, steps, settings=here, inputs=inputs, rehearsal=True)
        except ProblemsError as error:
            return list(error.problems)
        except HeadwaterError as error:
            return [error]
    return []


def _here(study: Study) -> Settings:
    """Compute in this process: its folder is for no other to see."""
    return replace(resolve(study.settings), workers=0, scheduler="threads")


def _shortened(study: Study, folder: Path) -> Study:
    """Copy a study with other results, and with less effort where that decides nothing."""
    changed: dict[str, Any] = {
        "study": study.study.model_copy(update={"results": str(folder / "results")}),
        # samples are checked from their table
        "samples": None,
    }
    for table, keys in _SHORT.items():
        options = getattr(study, table)
        if options is not None:
            changed[table] = options.model_copy(update=keys)
    return study.model_copy(update=changed)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the log of a rehearsal to itself."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
