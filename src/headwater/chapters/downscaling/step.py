"""The step "downscaling": coarse satellite soil moisture made finer, with its error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headwater.chapters.downscaling.options import DownscalingOptions
from headwater.errors import HeadwaterError, StudyError, nearest
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.results import Result
    from headwater.study.model import Study


__all__ = ["STEP", "predictors_of"]


def predictors_of(study: Study, options: DownscalingOptions) -> tuple[str, ...]:
    """Check the names of the table, and give the predictors.

    Parameters
    ----------
    study : Study
        The study.
    options : DownscalingOptions
        Its table ``[downscaling]``.

    Returns
    -------
    tuple of str

    Raises
    ------
    StudyError
        If a name is no variable of the study, or one that cannot serve.
    """
    if options.of not in study.inputs:
        raise StudyError(
            "[downscaling] names an input that the study does not have",
            found=f"of = '{options.of}'",
            do=f"Use one of: {', '.join(study.inputs)}",
        )
    others = tuple(
        name
        for name in study.variables
        if name != options.of and study.term(name).kind != "categorical"
    )
    chosen = others if options.predictors is None else options.predictors
    study.require("downscaling", chosen)
    for name in options.noisy or ():
        if name not in chosen:
            raise StudyError(
                "[downscaling] noisy names no predictor",
                found=f"'{name}'",
                do=nearest(name, chosen),
            )
    if not chosen or options.of in chosen:
        raise StudyError(
            "[downscaling] needs predictors other than what it makes finer",
            found=f"of = '{options.of}', predictors = {list(chosen)}",
            do="Add inputs on a finer grid, such as surface temperature, ndvi or precipitation",
        )
    classes = [name for name in chosen if study.term(name).kind == "categorical"]
    if classes:
        raise StudyError(
            "[downscaling] cannot predict from classes",
            found=f"'{classes[0]}'",
            do="Leave it out of predictors",
        )
    if "aspect" in chosen and "slope" not in chosen:
        raise StudyError(
            "[downscaling] needs the slope next to the aspect",
            found="'aspect' alone",
            do="Add 'slope' to predictors, or leave out 'aspect'",
        )
    return chosen


def _options(study: Study) -> Mapping[str, Any] | None:
    options = study.downscaling
    if options is None:
        return None
    asked = {**options.model_dump(mode="json"), "predictors": predictors_of(study, options)}
    if options.stations:
        from headwater.chapters.validation.reference import reference_stamp, without_password

        # what the stations measured decides the result as much as the inputs do
        asked["stations"] = without_password(options.stations)
        asked["stations_made_of"] = reference_stamp(options.stations)
    return asked


def _check(
    study: Study,
    inputs: Mapping[str, xr.DataArray],
    grid: GeoBox,
    period: tuple[Any, Any] | None,
) -> Iterable[HeadwaterError]:
    from headwater.chapters.downscaling.check import check_downscaling

    options = study.downscaling
    if options is None:
        return ()
    return check_downscaling(study, options, predictors_of(study, options), inputs, grid, period)


def _read(study: Study) -> str | None:
    """Say how the stations are read; what is wrong with them, the check names."""
    from headwater.chapters.validation.reference import daily_reference, reading_lines
    from headwater.errors import HeadwaterError
    from headwater.tables import ReadingOptions

    options = study.downscaling
    if options is None or not options.stations:
        return None
    try:
        reading = options.reading or ReadingOptions()
        daily = daily_reference(options.stations, depth=options.station_depth, reading=reading)
        lines = reading_lines(options.stations, reading)
    except HeadwaterError:
        return None
    return "\n  ".join((f"Stations: {daily['station'].nunique()} series", *lines))


def _notes(
    study: Study,
    inputs: Mapping[str, xr.DataArray],
    grid: GeoBox,
    period: tuple[Any, Any] | None,
) -> Iterable[str]:
    from headwater.chapters.downscaling.check import folds_note

    options = study.downscaling
    if options is None:
        return ()
    return folds_note(study, options, predictors_of(study, options), inputs, grid, period)


def _run(context: Context) -> Mapping[str, Result]:
    from headwater.chapters.downscaling.run import make_finer

    options = context.study.downscaling
    assert options is not None
    return make_finer(context, options, predictors_of(context.study, options))


STEP = Step(
    name="downscaling",
    title="Make the soil moisture finer",
    needs=("grids",),
    options=_options,
    run=_run,
    check=_check,
    read_tables=_read,
    notes=_notes,
)
