"""Real treatments against the effects computed for them beforehand.

tests/data/restoration/fuelbreaks.csv: mean cover of cheatgrass [%] by paddock, computed from
cct-datascience/rangeland-restore 9356775 (BSD-3-Clause), quadrats of 2019; expected values of the
paired comparison were computed in R before this code was written.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.restoration import estimate_treatment_effect

PADDOCKS = pd.read_csv(
    Path(__file__).parents[1] / "data" / "restoration" / "fuelbreaks.csv", comment="#"
)


@pytest.mark.parametrize(
    ("treatment", "effect", "lower", "upper", "p"),
    [
        ("herbicide", -26.4, -30.8, -22.0, 7e-7),
        ("greenstrip", -0.5, -4.8, 3.8, 0.78),
    ],
)
def test_herbicide_worked_and_seeding_did_not(treatment, effect, lower, upper, p):
    values = np.concatenate([PADDOCKS[treatment], PADDOCKS["control"]])[:, None]
    found = estimate_treatment_effect(
        values,
        np.arange(18) < 9,
        [True],
        rng=np.random.default_rng(1),
        block=np.tile(PADDOCKS["paddock"], 2),
    )
    assert found.design == "control_impact"
    assert (round(found.effect, 1), round(found.lower, 1), round(found.upper, 1)) == (
        effect,
        lower,
        upper,
    )
    assert found.p_value == pytest.approx(p, rel=0.1)
