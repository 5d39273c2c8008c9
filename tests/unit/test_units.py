"""Units are converted at the edge, once, and nothing that is not the same is taken for it."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import UnitError
from headwater.units import _UNITS, convert, parse

SPELLINGS = sorted(_UNITS)
BRIDGED = ({"water", "fraction"}, {"water", "water flux"})
VALUES = st.floats(-1e6, 1e6, allow_nan=False)


@given(value=VALUES, pair=st.tuples(st.sampled_from(SPELLINGS), st.sampled_from(SPELLINGS)))
def test_there_and_back_is_the_same(value: float, pair: tuple[str, str]) -> None:
    one, other = pair
    bridges = {"layer_depth": 0.3, "step_days": 31.0}
    kinds = {parse(one).dimension, parse(other).dimension}
    if len(kinds) > 1 and kinds not in BRIDGED:
        with pytest.raises(UnitError, match="different kinds"):
            convert(value, one, other, **bridges)
        return
    there = convert(value, one, other, **bridges)
    back = convert(there, other, one, **bridges)
    scale = max(abs(value), abs(parse(one).offset / parse(one).factor), 1.0)
    assert back == pytest.approx(value, rel=1e-12, abs=1e-9 * scale)


@given(value=VALUES, one=st.sampled_from(SPELLINGS))
def test_a_unit_is_itself_to_the_last_digit(value: float, one: str) -> None:
    assert convert(value, one, one) == value
    assert parse(f"  {one} ") == parse(one)


# Facts of physics and of the calendar; each written down by hand.
@pytest.mark.parametrize(
    ("value", "units", "to", "expected", "bridge"),
    [
        (300.0, "K", "degC", 26.85, {}),
        (50.0, "degF", "degC", 10.0, {}),
        (25.0, "%", "m3 m-3", 0.25, {}),
        (8.0, "g kg-1", "1", 0.008, {}),
        (1.0, "inch", "mm", 25.4, {}),
        (0.002, "m of water equivalent", "mm", 2.0, {}),
        (1.0 / 86400, "kg m-2 s-1", "mm", 30.0, {"step_days": 30.0}),
        (2.0, "mm h-1", "mm", 6.0, {"step_days": 0.125}),
        (30.0, "kg m-2", "m3 m-3", 0.3, {"layer_depth": 0.1}),
        (0.3, "m3 m-3", "kg m-2", 30.0, {"layer_depth": 0.1}),
        (8.64, "MJ m-2 d-1", "W m-2", 100.0, {}),
        (np.pi, "radian", "degree", 180.0, {}),
    ],
)
def test_known_conversions(value, units, to, expected, bridge) -> None:
    assert convert(value, units, to, **bridge) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("spelling", "plain"),
    [
        ("毫米", "mm"),
        ("0.1毫米/月", "0.1 mm/month"),
        ("毫米每日", "mm/d"),
        ("0.1 摄氏度", "0.1 degC"),
        ("立方米/立方米", "m3/m3"),
        ("千克/平方米", "kg/m2"),
    ],
)
def test_chinese_units(spelling: str, plain: str) -> None:
    assert parse(spelling) == parse(plain)


@pytest.mark.parametrize("spelling", ["m3 m**-3", "m^3 m^-3", "m3.m-3", " m3  m-3"])
def test_powers_may_be_written_as_they_like(spelling: str) -> None:
    assert parse(spelling) == parse("m3 m-3")


@pytest.mark.parametrize(
    ("units", "to", "words"),
    [
        ("furlong", "m", "unknown unit. Found: 'furlong'. Known: 1, %"),
        ("celcius", "degC", "Did you mean 'celsius'"),
        ("K", "mm", r"'K' \(temperature\) where 'mm' \(water\) is needed"),
        ("kg m-2", "m3 m-3", "Give layer_depth"),
        ("kg m-2 s-1", "mm", "known time step"),
    ],
)
def test_what_cannot_be_converted_is_told(units: str, to: str, words: str) -> None:
    with pytest.raises(UnitError, match=words) as caught:
        convert(1.0, units, to)
    assert len(str(caught.value)) < 400


def test_arrays_stay_what_they_are() -> None:
    lazy = xr.DataArray(da.full((4, 3), 280.0, chunks=2, dtype="float32"), dims=("y", "x"))
    warm = convert(lazy, "K", "degC")
    assert isinstance(warm.data, da.Array)
    assert warm.dtype == np.float32
    np.testing.assert_allclose(warm.values, 6.85, rtol=1e-4)
    assert np.isnan(convert(np.array([np.nan, 1.0]), "%", "1")[0])


@pytest.mark.parametrize(
    ("spelling", "same"),
    [
        ("℃", "degC"),
        ("degrees C", "degC"),
        ("Deg. C", "degC"),
        ("ºC", "degC"),
        ("Kg/m^2", "kg m-2"),
        ("kg/(m2 s)", "kg m-2 s-1"),
        ("kg m**-2 s**-1", "kg m-2 s-1"),
        ("m³/m³", "m3 m-3"),
        ("cm³ cm⁻³", "m3 m-3"),
        ("vol%", "%"),
        ("mm·d⁻¹", "mm d-1"),
        ("[mm]", "mm"),
        ("mm w.e.", "mm"),
        ("m of water equivalent per day", "m d-1"),
        ("feet", "ft"),
    ],
)
def test_spellings_of_the_field(spelling: str, same: str) -> None:
    assert parse(spelling) == parse(same)


@pytest.mark.parametrize(
    ("units", "dimension", "factor", "per"),
    [
        ("0.1 mm", "water", 0.1, ""),
        ("0.1℃", "temperature", 0.1, ""),
        ("0.0001", "fraction", 1e-4, ""),
        ("10^-4 m3 m-3", "fraction", 1e-4, ""),
        ("mm/month", "water flux", 1.0, "month"),
        ("kg/m^2/8day", "water flux", 1.0, "8"),
        ("cm/yr", "water flux", 10.0, "year"),
        ("hPa", "pressure", 100.0, ""),
        ("J m**-2", "energy", 1.0, ""),
    ],
)
def test_factors_and_spans(units: str, dimension: str, factor: float, per: str) -> None:
    found = parse(units)
    assert (found.dimension, found.per) == (dimension, per)
    assert found.factor == pytest.approx(factor)


@pytest.mark.parametrize("units", ["degC*10", "mm x 10", "kg/m2 s", "", "mm/mm/mm", "unknown"])
def test_what_could_mean_two_things_is_refused(units: str) -> None:
    with pytest.raises(UnitError):
        convert(1.0, units, "mm", step_days=1.0)


def test_a_month_needs_its_days() -> None:
    with pytest.raises(UnitError, match="month has no fixed length"):
        convert(31.0, "mm/month", "mm d-1")
    assert convert(31.0, "mm/month", "mm d-1", unit_days=31.0) == 1.0
    assert convert(1.0, "mm d-1", "mm/month", unit_days=31.0) == 31.0
    assert convert(8.0, "kg/m^2/8day", "mm d-1") == 1.0


def test_exponents_of_latex_are_read() -> None:
    assert parse("mm day^{-1}") == parse("mm/day")
    assert parse("m^{3} m^{-3}") == parse("m3 m-3")


def test_metres_of_elevation_are_not_called_water() -> None:
    with pytest.raises(UnitError, match=r"'degC' \(temperature\) where 'm' \(length\)"):
        convert(1.0, "degC", "m")
    with pytest.raises(UnitError, match=r"'kg m-2' \(water\)"):
        convert(1.0, "kg m-2", "degC")
