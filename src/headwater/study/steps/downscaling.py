"""The step "downscaling": coarse satellite soil moisture made finer, with its error told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from headwater.errors import HeadwaterError, StudyError, nearest
from headwater.study.relative_path import RelativePath
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["DownscalingOptions", "STEP", "predictors_of"]


class DownscalingOptions(BaseModel):
    """Table ``[downscaling]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: str = Field("soil_moisture", description="Input to be made finer; daily, coarser.")
    predictors: tuple[str, ...] | None = Field(
        None, description="Variables to predict from; default: all others but classes."
    )
    noisy: tuple[str, ...] | None = Field(
        None,
        description="Predictors with an error of their own in every cell; default: all that change "
        "in time but precipitation and temperature.",
    )
    learners: tuple[Literal["forest", "boosting"], ...] = Field(
        ("forest", "boosting"), min_length=1, description="Learners; several are averaged."
    )
    coupling: Literal["none", "smooth", "bands"] = Field(
        "bands",
        description="Wavelets in time: none, the slow part of noisy predictors alone, or a model "
        "for each band (the study's).",
    )
    wavelet: str = Field("db4", description="Mother wavelet, by PyWavelets' name.")
    level: int = Field(3, ge=1, le=8, description="Halvings: slower than about 2^level days.")
    noise: Literal["matched", "none"] = Field(
        "matched", description="Whether training sees the noise that fine predictors have."
    )
    residual: Literal["soft", "exact", "bilinear", "none"] = Field(
        "soft", description="How what the learner left over is spread; exact keeps coarse means."
    )
    trees: int = Field(100, ge=10, le=2000, description="Trees of a forest.")
    rows: int = Field(15_000, ge=100, description="Most days and cells to train on.")
    folds: Literal["space", "time", "space-time", "random"] = Field(
        "space", description="What is held back for honest residuals; random is not honest."
    )
    min_covered: float = Field(
        0.5, gt=0, le=1, description="Least share of a coarse cell that the study grid covers."
    )
    longest_gap: int = Field(
        16, ge=0, description="Days from the nearest observation beyond which no value is given."
    )
    interval: float = Field(0.90, gt=0.5, lt=1, description="Share that intervals should hold.")
    twins: int = Field(
        2,
        ge=0,
        le=20,
        description="Synthetic truths, two or more, that tell the error at the fine scale; 0: none "
        "and no intervals.",
    )
    stations: RelativePath | None = Field(
        None,
        description="CSV of station, longitude, latitude, time, soil_moisture that takes part as "
        "points.",
    )
    memory_mb: float = Field(
        1500.0, gt=0, description="Refuse before starting if more would be needed [MB]."
    )

    @field_validator("twins")
    @classmethod
    def _check_twins(cls, twins: int) -> int:
        if twins == 1:
            raise StudyError("one twin does not tell how sure its skill is", found="twins = 1",
                             do="Give 2 or more, or 0 for none")  # fmt: skip
        return twins


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
            raise StudyError("[downscaling] noisy names no predictor", found=f"'{name}'",
                             do=nearest(name, chosen))  # fmt: skip
    if not chosen or options.of in chosen:
        raise StudyError(
            "[downscaling] needs predictors other than what it makes finer",
            found=f"of = '{options.of}', predictors = {list(chosen)}",
            do="Add inputs on a finer grid, such as surface temperature, ndvi or precipitation",
        )
    classes = [name for name in chosen if study.term(name).kind == "categorical"]
    if classes:
        raise StudyError("[downscaling] cannot predict from classes", found=f"'{classes[0]}'",
                         do="Leave it out of predictors")  # fmt: skip
    if "aspect" in chosen and "slope" not in chosen:
        raise StudyError("[downscaling] needs the slope beside the aspect", found="'aspect' alone",
                         do="Add 'slope' to predictors, or leave out 'aspect'")  # fmt: skip
    return chosen


def _options(study: Study) -> Mapping[str, Any] | None:
    options = study.downscaling
    if options is None:
        return None
    asked = {**options.model_dump(mode="json"), "predictors": predictors_of(study, options)}
    if options.stations and Path(options.stations).is_file():
        from headwater.study.provenance import checksum

        # what the stations measured decides the result as much as the inputs do
        asked["stations_sha256"] = checksum(Path(options.stations))["sha256"]
    return asked


def _foresee(
    study: Study,
    inputs: Mapping[str, xr.DataArray],
    grid: GeoBox,
    period: tuple[Any, Any] | None,
) -> Iterable[HeadwaterError]:
    from headwater.study.downscaling_check import foresee

    options = study.downscaling
    if options is None:
        return ()
    return foresee(study, options, predictors_of(study, options), inputs, grid, period)


def _run(context: Context) -> Mapping[str, Result]:
    from headwater.study.downscaled import make_finer

    options = context.study.downscaling
    assert options is not None
    return make_finer(context, options, predictors_of(context.study, options))


STEP = Step(
    name="downscaling",
    title="Make the soil moisture finer",
    needs=("grids",),
    options=_options,
    run=_run,
    check=_foresee,
)
