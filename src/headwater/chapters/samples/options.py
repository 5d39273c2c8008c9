"""What table ``[samples]`` of a study file may say."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headwater.errors import StudyError, nearest
from headwater.study.options import RelativePath
from headwater.tables import ReadingOptions

__all__ = ["ClimateOptions", "LmwlOptions", "MixingOptions", "SamplesOptions"]

Method = Literal["ols", "rma", "ma", "york", "huber", "theil-sen"]


Range = tuple[float, float]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LmwlOptions(_Options):
    """The local meteoric water line: fitted, or given by slope and intercept."""

    water: str = Field("precipitation", description="Water whose samples the line is fitted to.")
    method: Method = Field("ols", description="How it is fitted.")
    weighted: bool = Field(False, description="Whether samples are weighted by their amount.")
    slope: float | None = Field(None, description="Slope of a line that is given.")
    intercept: float | None = Field(None, description="Its intercept [‰].")

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        if (self.slope is None) != (self.intercept is None):
            raise StudyError(
                "a given line has a slope and an intercept",
                found=f"slope {self.slope}, intercept {self.intercept}",
                do="Give both, or neither to have it fitted",
            )
        return self


class ClimateOptions(_Options):
    """The climates in which the water may have evaporated, each from least to greatest."""

    temperature: Range = Field((0.0, 15.0), description="Of the evaporating soil [degC].")
    humidity: Range = Field((0.3, 0.85), description="Relative humidity of the air [1].")
    turbulence: Range = Field(
        (0.5, 1.0), description="From 0.5 over open water to 1 over dry soil [1]."
    )
    lost: Range = Field((0.01, 0.4), description="Share of the water that evaporated [1].")


class MixingOptions(_Options):
    """Which waters are mixed of which."""

    sources: tuple[str, ...] = Field(
        (), description="Waters that are the end members; default: all of `source_file`."
    )
    source_column: str = Field(
        "water", description="Column that names the sources: layer, plot, or one of the file."
    )
    source_file: RelativePath | None = Field(
        None,
        description="Table of the sources, where they have one of their own: every sample, or "
        "means (Mean and SD of each tracer, n), as MixSIAR and simmr read.",
    )
    discrimination_file: RelativePath | None = Field(
        None,
        description="Table of what each source shifts by on its way into the mixture, as MixSIAR "
        "and simmr read; water that mixes does not.",
    )
    concentration_file: RelativePath | None = Field(
        None, description="Table of concentrations by source, where they have one of their own."
    )
    source_sheet: int | str | None = Field(
        None, description="Sheet of a workbook that holds the sources."
    )
    discrimination_sheet: int | str | None = Field(
        None, description="Sheet of a workbook that holds the discrimination."
    )
    concentration_sheet: int | str | None = Field(
        None, description="Sheet of a workbook that holds the concentrations."
    )
    mixtures: tuple[str, ...] = Field(
        ("soil",), min_length=1, description="Waters that are mixtures of them."
    )
    tracers: tuple[str, ...] = Field(
        ("d18O", "d2H"), min_length=1, description="Columns that distinguish the sources."
    )
    by: tuple[str, ...] | None = Field(
        None, description="Groups whose fractions are reported; default: those of [samples]."
    )
    paired: tuple[str, ...] = Field(
        (),
        description='Columns in which a source must agree with its mixture: ["month"]; default: '
        "those by which a file of sources has several means of one source.",
    )
    lapse: bool = Field(
        False,
        description="Whether sources are brought to the altitude of their mixtures by their own "
        "gradient.",
    )
    absent: dict[str, tuple[str, ...]] = Field(
        {},
        description='Sources that a period does not have, by its name: { August = ["snow_melt"] }.',
    )
    evaporation: bool | None = Field(
        None,
        description="Whether mixtures may have evaporated since; default: where both isotopes are "
        "the tracers, for soil, lake and plant water.",
    )
    scatter: Literal["mean", "sample"] = Field(
        "mean",
        description="Whether a group drew on all of a source, or each mixture on one sample of it.",
    )
    prior: dict[str, float] = Field(
        {},
        description="Dirichlet α of a source, 1 where not given; without any, every fraction is as "
        "likely as another.",
    )
    boundary: bool = Field(
        False,
        description="Whether any source may be absent, so that fractions can be 0 or 1; for "
        "mixtures near a corner.",
    )
    residual: Literal["process", "residual", "both", "simmr", "mixsiar"] | None = Field(
        None,
        description="What scatters the samples of a group: the sources (process), a covariance of "
        "its own (residual), both, or as simmr and MixSIAR have it; default: residual where a "
        "group drew on all of a source, else mixsiar.",
    )
    residual_sd: dict[str, float] = Field(
        {},
        description="Expected residual of a tracer [‰, or its unit]; default: the scatter of the "
        "sources.",
    )
    concentration: dict[str, tuple[float, ...]] = Field(
        {}, description="Concentration of each tracer by source, where it differs (solutes)."
    )
    process_below: int = Field(
        0,
        ge=0,
        description="Groups with fewer samples than this are scattered by the sources alone "
        "(process); 2 is MixSIAR's rule.",
    )
    combine: dict[str, tuple[str, ...]] = Field(
        {},
        description="Sources whose fractions are added afterwards: "
        '{ melt = ["snow_melt", "glacier_melt"] }.',
    )
    caps: dict[str, float] = Field(
        {}, description="Largest fraction of a source, where something limits it [1]."
    )
    available: dict[str, float] = Field(
        {}, description="Water that a source had to give [mm]; with `stored` it caps its fraction."
    )
    stored: float | None = Field(None, gt=0, description="Water that the mixture holds [mm].")
    model: Literal["independent", "hierarchical"] = Field(
        "independent",
        description="Whether each group stands alone, or all share what they can (needs the extra "
        "bayes; without it, the message says how to install it).",
    )
    random: tuple[str, ...] = Field(
        (),
        description="Columns whose levels vary about a common mean in the hierarchical model; "
        "default: period and groups.",
    )
    fixed: tuple[str, ...] = Field(
        (),
        description="Columns whose levels share nothing, next to the random ones: their fractions "
        "are not drawn towards each other.",
    )
    nested: tuple[tuple[str, str], ...] = Field(
        (), description='Levels of one column within those of another: [["plot", "vegetation"]].'
    )
    continuous: tuple[str, ...] = Field(
        (), description='Columns with numbers that fractions depend on: ["elevation"].'
    )

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        return self.checked()

    def checked(self) -> Self:
        """Refuse amounts that name no source, or that leave less than a whole."""
        if not self.sources and self.source_file:
            return self  # checked once the file is read
        if len(self.sources) < 2:
            raise StudyError(
                "mixing needs at least two sources",
                found=", ".join(self.sources) or "none",
                do='Name them: sources = ["precipitation", "ground_ice"] or a source_file in the '
                "study file, --source on the command line",
            )
        gone = {name: 0.0 for names in self.absent.values() for name in names}
        for key, named in (
            ("prior", self.prior),
            ("caps", self.caps),
            ("available", self.available),
            ("absent", gone),
            ("combine", {name: 1.0 for names in self.combine.values() for name in names}),
        ):
            for name, value in named.items():
                if name not in self.sources:
                    raise StudyError(
                        f"{key} names no source of the mixing",
                        found=f"'{name}'",
                        do=nearest(name, self.sources),
                    )
                if value < 0.0 or (key == "prior" and value == 0.0):
                    raise StudyError(
                        f"{key} of {name} must be above 0", found=f"{value:g}", do="Correct it"
                    )
        if bool(self.available) != (self.stored is not None):
            raise StudyError(
                "available and stored belong together",
                found="available alone" if self.available else "stored alone",
                do="Give both in mm, or a fraction in caps",
            )
        self._check_limits()
        return self

    def _check_limits(self) -> None:
        limits = self.limits()
        most = sum(limits.get(name, 1.0) for name in self.sources)
        if most < 1.0:
            raise StudyError(
                "the sources together may make up less than the whole",
                found=f"at most {most:g}",
                do="Raise a cap",
            )

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        shared = self.model == "hierarchical"
        if self.boundary and (shared or self.limits()):
            raise StudyError(
                "boundary needs groups that stand alone, without caps",
                found="a hierarchical model" if shared else "caps",
                do='Set boundary = false, or model = "independent" without caps',
            )
        self._check_files()
        self._check_effects()
        return self

    def _check_files(self) -> None:
        shared = self.model == "hierarchical"
        if (self.discrimination_file or self.concentration_file) and not self.source_file:
            raise StudyError(
                "these files belong to a table of sources",
                found="discrimination_file or concentration_file without source_file",
                do="Give source_file",
            )
        if self.lapse and self.source_file:
            raise StudyError(
                "sources of a file have no altitudes",
                found="lapse = true with source_file",
                do="Set lapse = false, or keep the sources in the table of samples",
            )
        if self.concentration and (shared or set(self.concentration) != set(self.sources)):
            raise StudyError(
                "concentration needs a value of every source, and groups that stand alone",
                found=", ".join(self.concentration),
                do="Give each source its concentration of each tracer",
            )
        if shared and self.lapse:
            raise StudyError(
                "a hierarchical model has one set of sources for all altitudes",
                found="lapse = true",
                do='Set lapse = false, or model = "independent"',
            )

    def _check_effects(self) -> None:
        shared = self.model == "hierarchical"
        effects = {
            "random": self.random,
            "fixed": self.fixed,
            "nested": self.nested,
            "continuous": self.continuous,
        }
        named = [name for name, columns in effects.items() if columns]
        if named and not shared:
            raise StudyError(
                "effects belong to the hierarchical model",
                found=named[0],
                do='Set model = "hierarchical" in [samples.mixing]',
            )

    def limits(self) -> dict[str, float]:
        """Return the largest fraction of each source that has one, by cap or by volume."""
        volumes = {k: min(v / self.stored, 1.0) for k, v in self.available.items() if self.stored}
        names = dict.fromkeys((*self.caps, *volumes))
        return {name: min(self.caps.get(name, 1.0), volumes.get(name, 1.0)) for name in names}


class SamplesOptions(_Options):
    """Table ``[samples]`` of the study file."""

    path: RelativePath = Field(description="Table of samples: CSV or XLSX.")
    columns: dict[str, str] = Field(
        {}, description="Our name of a column to the file's, where it is not recognised."
    )
    waters: dict[str, str] = Field(
        {}, description="The file's word for a water to ours, or to a kind of your own."
    )
    water: str | None = Field(
        None, description="Kind of water of all rows, where the file does not say."
    )
    unit: Literal["permil", "fraction"] | None = Field(
        None, description="Unit of δ; default: recognised from the values."
    )
    replicates: Literal["numbered", "keep", "mean"] = Field(
        "numbered",
        description="Which rows of one sample_id are averaged: those numbered as replicates, none "
        "(keep), or all (mean).",
    )
    sheet: int | str | None = Field(
        None, description="Sheet of a workbook; default: the first that looks like samples."
    )
    reading: ReadingOptions | None = Field(
        None,
        description="What the file leaves open: encoding, separator, decimal, dates, zone, "
        "missing, units, header; see tables.md.",
    )
    altitude: tuple[float, ...] = Field((), description="Edges of altitude bands [m].")
    depth: tuple[float, ...] = Field((), description="Edges of soil layers [m].")
    of: tuple[str, ...] | None = Field(
        None, description="Waters that are described; default: soil where there is any, else all."
    )
    groups: tuple[str, ...] = Field(
        (),
        description="Groupings, each by itself: layer, altitude_band, vegetation, aspect_sector, "
        "or a column of the file.",
    )
    period: str | None = Field(
        "month", description='Column of the periods: month, season, year, …; "" for none.'
    )
    weighted: bool = Field(False, description="Whether means are weighted by the amount.")
    lmwl: LmwlOptions = Field(
        LmwlOptions.model_validate({}), description="Local meteoric water line."
    )
    method: Method = Field("ols", description="How evaporation lines are fitted.")
    climate: ClimateOptions = Field(
        ClimateOptions.model_validate({}), description="Climates of evaporation."
    )
    mixing: MixingOptions | None = Field(None, description="Which waters are mixed of which.")

    def files_of_sources(self) -> list[str]:
        """Return the files of the mixing, next to the table of samples."""
        asked = self.mixing
        if asked is None:
            return []
        named = (asked.source_file, asked.discrimination_file, asked.concentration_file)
        return [path for path in named if path]
