import numpy as np
import pytest

from headwater.errors import DataError, StudyError
from headwater.isotopes import Climate, WaterLine, evaporated_fraction
from headwater.isotopes.evaporation import (
    craig_gordon,
    evaporation_loss,
    evaporation_slope,
    pressure,
    relative_humidity,
    residual_water,
)
from headwater.isotopes.fractionation import equilibrium_alpha, kinetic_enrichment
from headwater.isotopes.intersection import judge_lines, slope_envelope


def test_gibson_and_merlivat_are_near_each_other() -> None:
    for isotope in ("d18O", "d2H"):
        one = kinetic_enrichment(0.6, isotope, turbulence=0.5)
        two = kinetic_enrichment(0.6, isotope, turbulence=0.5, variant="gibson")
        assert two == pytest.approx(one, rel=0.04)


def test_measured_vapour_is_used() -> None:
    derived = craig_gordon(-12.0, Climate(10.0, 0.6), "d18O")
    given = Climate(10.0, 0.6, vapour={"d18O": float(derived.vapour), "d2H": -180.0})
    assert craig_gordon(-12.0, given, "d18O").limit == pytest.approx(float(derived.limit))


def test_wrong_words_and_values() -> None:
    with pytest.raises(StudyError, match="Did you mean 'd18O'"):
        equilibrium_alpha(20.0, "d18o")
    with pytest.raises(StudyError, match="kinetic variant"):
        kinetic_enrichment(0.5, "d18O", variant="craig")
    with pytest.raises(DataError, match="Divide percent by 100"):
        craig_gordon(-12.0, Climate(10.0, 60.0), "d18O")
    with pytest.raises(DataError, match="too dry"):
        craig_gordon(-12.0, Climate(10.0, 0.01), "d2H")
    with pytest.raises(DataError, match="no such input"):
        evaporation_loss(
            -5.0, -12.0, Climate(10.0, 0.6), "d18O", rng=np.random.default_rng(0), sd={"wind": 1.0}
        )


def test_no_answer_beyond_the_limit() -> None:
    air = craig_gordon(-12.0, Climate(10.0, 0.6), "d18O")
    assert np.isnan(evaporated_fraction(float(air.limit) + 1.0, -12.0, air))


def test_loss_is_batched_and_tight_without_errors() -> None:
    climate = Climate(10.0, 0.6)
    air = craig_gordon(-12.0, climate, "d18O")
    lost = np.array([0.05, 0.1, 0.3])
    samples = residual_water(-12.0, lost, air)
    exact = evaporation_loss(samples, -12.0, climate, "d18O", rng=np.random.default_rng(0), sd={})
    assert exact.mean == pytest.approx(lost)
    assert exact.sd == pytest.approx(0.0, abs=1e-12)
    loose = evaporation_loss(
        samples,
        -12.0,
        climate,
        "d18O",
        rng=np.random.default_rng(0),
        sd={"sample": 0.1, "source": 0.5, "humidity": 0.05, "temperature": 2.0, "seasonality": 0.1},
    )
    assert ((loose.low < lost) & (lost < loose.high)).all()
    assert (loose.sd > 0.005).all()


def test_air_is_thin_up_there() -> None:
    assert pressure(0.0) == pytest.approx(1013.25)
    assert pressure([3000.0, 5000.0]) == pytest.approx([701.1, 540.2], abs=0.3)
    low, high = relative_humidity(0.005, 10.0, [0.0, 4500.0])
    assert high / low == pytest.approx(float(pressure(4500.0)) / 1013.25)
    warm = relative_humidity(0.005, 10.0, 4500.0, surface=20.0)
    assert warm < high


def test_verdicts() -> None:
    envelope = slope_envelope(-15.0, -106.07)
    lines = [
        WaterLine(3.5, -50.0),
        WaterLine(5.5, -20.0),
        WaterLine(7.4, -2.0),
        WaterLine(1.0, -80.0),
        WaterLine(7.4, -2.0, slope_se=2.0),
    ]
    result = judge_lines(lines, envelope)
    assert result.data["verdict"].tolist() == [
        "evaporation line",
        "steep: only with seasonal vapour",
        "mixing line, not an evaporation line",
        "too flat for evaporation",
        "evaporation line",
    ]
    assert "1 of 5 lines" in result.cautions[0]


def test_path_slope_lies_between_the_two_conventions() -> None:
    climate = Climate(8.0, 0.55, 1.0)
    slopes = evaporation_slope((-15.0, -106.07), climate, lost=np.array([0.0, 0.1, 0.2, 0.4, 1.0]))
    assert (np.diff(slopes) > 0).all()
    assert slopes[[0, -1]] == pytest.approx([2.7228, 3.1893], abs=1e-4)
