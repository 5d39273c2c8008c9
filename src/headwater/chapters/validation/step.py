"""The step "validation": the study's soil moisture against measurements and other products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headwater.chapters.validation.options import ValidationOptions
from headwater.errors import StudyError
from headwater.study.step import Context, Step
from headwater.tables import ReadingOptions

if TYPE_CHECKING:
    import xarray as xr

    from headwater.chapters.validation.run import Comparison
    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["STEP"]

_TOOK_PART = (
    "The same stations took part in the downscaling as points: this praises the product. Its own "
    "chapter compares the product that they took no part in."
)


def _options(study: Study) -> Mapping[str, Any] | None:
    options = study.validation
    if options is None:
        return None
    study.require("validation", (options.of, *((options.strata,) if options.strata else ())))
    if options.strata and study.term(options.strata).kind != "categorical":
        raise StudyError(
            "[validation] strata needs a variable of classes",
            found=f"'{options.strata}'",
            do="Name an input such as land cover",
        )
    from headwater.chapters.validation.reference import reference_stamp, without_password

    asked = {**options.model_dump(mode="json")}
    asked["reference"] = without_password(options.reference)
    files = {"reference": options.reference, **options.products}
    asked["made_of"] = {name: reference_stamp(path) for name, path in files.items()}
    return asked


def _read_tables(study: Study) -> str | None:
    from headwater.chapters.validation.reference import check_hours, read_reference

    options = study.validation
    if options is None:
        return None
    found = read_reference(
        options.reference,
        depth=options.depth,
        flags=options.flags,
        reading=options.reading or ReadingOptions(),
    )
    if options.overpass:
        check_hours(found.data)
    first, last = found.data["time"].min(), found.data["time"].max()
    notes = " ".join(found.cautions)
    return (
        f"[validation] {found.kind}: {len(found.places)} series, {len(found.data)} values, "
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d}. {notes}".rstrip()
    )


def _comparison(options: ValidationOptions) -> Comparison:
    from headwater.chapters.validation.run import Comparison

    return Comparison(
        scaling=options.scaling,
        anomalies=options.anomalies,
        outside="leave out",
        depth=options.depth,
        flags=options.flags,
        overpass=options.overpass,
        window_hours=options.window_hours,
        correlated=options.correlated,
        level=options.level,
        min_pairs=options.min_pairs,
        reading=options.reading or ReadingOptions(),
    )


def _run(context: Context) -> Mapping[str, Result]:
    from dataclasses import replace

    from headwater.chapters.validation.run import compare_with_stations, open_product
    from headwater.chapters.validation.tables import to_qa4sm

    options = context.study.validation
    assert options is not None
    context.progress(0.0, "reading")
    product = context.variable(options.of)
    found = compare_with_stations(
        product,
        options.reference,
        _comparison(options),
        others={name: open_product(path) for name, path in options.products.items()},
        strata=context.variable(options.strata).compute() if options.strata else None,
        intervals=_intervals(context, options.of),
        rng=context.rng,
    )
    context.progress(0.9, "writing")
    stations: Any = found["stations"]
    named = to_qa4sm(stations, product=options.of, reference="reference")
    named.to_netcdf(context.folder / "qa4sm.nc", engine="h5netcdf")
    finer = context.study.downscaling
    if finer is not None and finer.stations == options.reference:
        found = {
            name: replace(result, cautions=(_TOOK_PART, *result.cautions))
            for name, result in found.items()
        }
    return _saved(found)


def _saved(found: Mapping[str, Result]) -> dict[str, Result]:
    """Take scorecards apart into tables, for only these are written."""
    from headwater.downscaling.results import StationScores
    from headwater.results import TableResult

    kept = dict(found)
    for name in ("scorecard", "scorecard-scaled"):
        card: Any = found.get(name)
        if card is None:
            continue
        parts = (card.method, card.references, card.fingerprint, card.choices, card.cautions)
        kept[name] = StationScores(card.data, *parts)
        if name == "scorecard":
            kept["pairs"] = TableResult(card.pairs, "What was compared.", fingerprint=parts[2])
    return kept


def _intervals(context: Context, name: str) -> xr.Dataset | None:
    """Open the intervals that a downscaling predicts, where it does."""
    import xarray as xr

    finer = context.study.downscaling
    if finer is None or finer.of != name:
        return None
    path = context.results / "downscaling" / f"{name}.zarr"
    cube: xr.Dataset = xr.open_zarr(path, decode_coords="all")
    if f"{name}_low" not in cube:
        return None
    layers = {"low": cube[f"{name}_low"], "high": cube[f"{name}_high"]}
    return xr.Dataset(layers, attrs={"interval": finer.interval})


STEP = Step(
    name="validation",
    title="Compare with measurements",
    needs=("grids",),
    options=_options,
    run=_run,
    after=("downscaling",),
    read_tables=_read_tables,
)
