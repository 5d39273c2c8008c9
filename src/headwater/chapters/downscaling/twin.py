"""What a study may expect of its downscaling, reported before a map is made."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import StudyError
from headwater.settings import Settings, resolve
from headwater.study.engine import Progress, run
from headwater.study.inputs import read_study_area
from headwater.study.step import Context

if TYPE_CHECKING:
    from headwater.chapters.downscaling.run import Expected
    from headwater.study.model import Study

__all__ = ["expected_skill"]

_DRAWS = 2


def expected_skill(
    study: Study,
    *,
    settings: Settings | None = None,
    draws: int | None = None,
    progress: Progress = lambda step, fraction, what: None,
) -> Expected:
    """Align the inputs of a study, and run the twin of its downscaling alone.

    Parameters
    ----------
    study : Study
        With a table ``[downscaling]``.
    settings : Settings, optional
        Workers and block size; default: the study file's and the environment's.
    draws : int, optional
        Synthetic truths; default: as many as the study file says, at least two.
    progress : callable
        Called with step, fraction done and what is being done.

    Returns
    -------
    Expected
        The twin, and what it was laid over.

    Raises
    ------
    StudyError
        If the study asks for no downscaling.
    ProblemsError, DataError, GridError, TimeAxisError
        As :func:`headwater.study.engine`.
    """
    import dask
    import numpy as np

    from headwater.chapters.downscaling.run import expect_skill
    from headwater.chapters.downscaling.step import predictors_of
    from headwater.chapters.listing import STEPS

    options = study.downscaling
    if options is None:
        raise StudyError(
            "the study asks for no downscaling",
            found="no table [downscaling]",
            do="Add [downscaling]",
        )
    chosen = settings or resolve(study.settings)
    run(study, STEPS, settings=chosen, until="grids", progress=progress)
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set(scheduler="threads", num_workers=chosen.threads),
    ):
        context = Context(
            study=study,
            settings=chosen,
            folder=Path(folder),
            results=study.results,
            area=read_study_area(study),
            rng=np.random.default_rng(study.seed),
            progress=lambda fraction, what: progress("twin", min(fraction, 0.99), what),
        )
        count = draws or max(options.twins, _DRAWS)
        found = expect_skill(context, options, predictors_of(study, options), count)
    progress("twin", 1.0, "done")
    return found
