"""Sample tables on which fractions went wrong: few samples, misfit, and the choice of tracers.

The files are our own, synthetic: tests/data/tables/isotopes.
"""

from pathlib import Path

import numpy as np
import pytest

from headwater.chapters.samples.mixing import mixing_results
from headwater.chapters.samples.options import SamplesOptions
from headwater.chapters.samples.table import read_table

TRIED = Path(__file__).parents[1] / "data" / "tables" / "isotopes"


def mixing(file: str, sources: tuple[str, ...], **more: object):
    asked = {"sources": sources, "mixtures": ("river",), "evaporation": False, **more}
    options = SamplesOptions.model_validate(
        {"path": str(TRIED / file), "period": "", "mixing": asked}
    )
    table = read_table(options).data
    return mixing_results(table, options, rng=np.random.default_rng(1))["mixing"]


def test_one_sample_has_an_answer_of_its_own() -> None:
    found = mixing("onemix.csv", ("precipitation", "snow"))
    first = found.data.iloc[0]
    # the sample lies half way; the prior alone gives 0.025 to 0.975
    assert first["fraction"] == pytest.approx(0.52, abs=0.06)
    assert first["high"] - first["low"] < 0.7


def test_a_mixture_off_the_line_of_two_sources_is_said() -> None:
    found = mixing("outside14.csv", ("precipitation", "snow"))
    assert any("do not fit" in text for text in found.cautions)


@pytest.mark.parametrize("model", [{}, {"boundary": True}, {"residual": "both"}], ids=str)
def test_the_choice_of_equivalent_tracers_does_not_matter(model: dict) -> None:
    sources = ("precipitation", "ground_ice", "snow_melt")
    answers = [
        mixing("pair.csv", sources, tracers=pair, **model).data.set_index("source")
        for pair in (("d18O", "d2H"), ("d18O", "d_excess"))
    ]
    for name in ("fraction", "low", "high"):
        assert answers[0][name].to_numpy() == pytest.approx(answers[1][name].to_numpy(), abs=1e-3)
