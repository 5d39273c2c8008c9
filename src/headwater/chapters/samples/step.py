"""The step "samples": what water samples say of where the water came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headwater.study.step import Context, Step

if TYPE_CHECKING:
    from headwater.chapters.samples.options import SamplesOptions
    from headwater.isotopes.results import SampleTable
    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["STEP"]


def _options(study: Study) -> Mapping[str, Any] | None:
    return None if study.samples is None else study.samples.model_dump(mode="json")


def _read(study: Study) -> str | None:
    from headwater.chapters.samples.end_members import with_sources
    from headwater.chapters.samples.table import read_table

    if study.samples is None:
        return None
    samples = read_table(study.samples)
    _check(samples, study.samples)
    notes: tuple[str, ...] = ()
    if study.samples.mixing is not None:
        _, given = with_sources(study.samples.mixing, study.samples.reading)
        notes = given.notes if given is not None else ()
    table = samples.data
    counts = table["water"].value_counts()
    kinds = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    said = (*samples.choices, *notes, *(f"Assumed: {text}" for text in samples.cautions))
    return "\n  ".join((f"Samples: {len(table)} rows ({kinds})", *said))


def _check(samples: SampleTable, options: SamplesOptions) -> None:
    """Refuse now what could not be described, drawn through or unmixed later."""
    import numpy as np

    from headwater.chapters.samples.lines import describe, line_results
    from headwater.chapters.samples.mixing import check_mixing

    rng = np.random.default_rng(0)
    describe(samples, options, thorough=False)
    line_results(samples.data, options, rng=rng, thorough=False)
    if options.mixing is not None:
        check_mixing(samples.data, options, rng=rng)


def _run(context: Context) -> Mapping[str, Result]:
    from headwater.chapters.samples.lines import describe, line_results
    from headwater.chapters.samples.mixing import mixing_results
    from headwater.chapters.samples.table import read_table

    options = context.study.samples
    assert options is not None
    samples = read_table(options)
    context.progress(0.1, "means by group")
    results = describe(samples, options)
    context.progress(0.3, "water lines")
    results |= line_results(samples.data, options, rng=context.rng)
    if options.mixing is not None:
        context.progress(0.6, "mixing")
        results |= mixing_results(samples.data, options, rng=context.rng)
    return results


STEP = Step(
    name="samples",
    title="Ask the samples",
    needs=(),
    options=_options,
    run=_run,
    read_tables=_read,
)
