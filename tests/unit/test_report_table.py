"""Tables on the page: rounded to be read, exact to be used."""

import io
import math

import pandas as pd
import pytest

from headwater.report.table import pretty_number, table_csv, view_table


def texts(frame: pd.DataFrame, digits: int = 3) -> list[list[str]]:
    columns = zip(*view_table(frame, digits).rows, strict=True)
    return [[cell.text for cell in column] for column in columns]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.13149, "0.131"),
        (9.999, "10.0"),
        (-273.15, "−273"),
        (123456.0, "123\u202f456"),
        (2.5e-7, "2.50 × 10⁻⁷"),
        (-4.2e12, "−4.20 × 10¹²"),
        (math.nan, "–"),
        (-math.inf, "−∞"),
    ],
)
def test_a_number_keeps_its_significant_digits(value, text):
    assert pretty_number(value) == text


def test_a_column_shares_its_decimals_where_magnitudes_allow():
    theta = [0.068, 0.13149, 0.21444]
    flow = [0.0001, 12.0, 34567.0]
    assert texts(pd.DataFrame({"theta": theta, "flow": flow})) == [
        ["0.068", "0.131", "0.214"],
        ["0.000100", "12.0", "34\u202f567"],
    ]


def test_a_value_near_zero_has_no_minus_of_its_own():
    assert texts(pd.DataFrame({"r": [-0.00001, -0.512, 0.433, 0.62]}))[0][0] == "0.000"


def test_p_values_are_never_rounded_to_zero():
    assert texts(pd.DataFrame({"p_value": [0.0, 3e-16, 0.0456]})) == [
        ["< 0.001", "< 0.001", "0.046"]
    ]


def test_counts_years_dates_words_and_flags_read_naturally():
    frame = pd.DataFrame(
        {
            "n": [11952, 1999],
            "day": pd.to_datetime(["2017-01-01", "2021-12-31"]),
            "passed": [True, False],
            "class": pd.Categorical(["weak", "strong"]),
            "depth": pd.array([3, None], dtype="Int64"),
        }
    )
    assert texts(frame) == [
        ["11\u202f952", "1999"],
        ["2017-01-01", "2021-12-31"],
        ["yes", "no"],
        ["weak", "strong"],
        ["3", "–"],
    ]


def test_a_rounded_cell_keeps_the_exact_value_and_a_missing_one_sorts_last():
    frame = pd.DataFrame({"q": [1 / 3, math.nan, math.inf]})
    rounded, missing, infinite = (row[0] for row in view_table(frame).rows)
    assert (rounded.text, rounded.exact, float(rounded.key)) == ("0.333", str(1 / 3), 1 / 3)
    assert (missing.text, missing.exact, missing.key) == ("–", "missing", "")
    assert (infinite.text, infinite.key) == ("∞", "Infinity")


def test_numbers_and_units_inside_words_are_rounded_too_and_kept_exact():
    frame = pd.DataFrame(
        {"breaks": ["[184.976052, -3.30865e-05]"], "day": ["2017-01-01"], "units": ["m3 m-3"]}
    )
    (breaks, day, units), *_ = view_table(frame).rows
    assert (breaks.text, breaks.exact) == ("[185, −3.309e-05]", "[184.976052, -3.30865e-05]")
    assert (day.text, day.exact) == ("2017-01-01", "")
    assert (units.text, units.exact) == ("m³ m⁻³", "m3 m-3")


def test_headings_have_words_and_units():
    frame = pd.DataFrame({"mean_theta": [0.1], "band": ["low"]})
    frame.attrs["units"] = {"mean_theta": "m3 m-3", "band": "1"}
    theta, band = view_table(frame).columns
    assert (theta.label, theta.unit, theta.numeric) == ("mean theta", "m³ m⁻³", True)
    assert (band.label, band.unit, band.numeric) == ("band", "", False)


def test_a_long_table_is_cut_on_the_page_but_whole_in_the_csv():
    frame = pd.DataFrame({"day": range(1826)})
    view = view_table(frame)
    assert len(view.rows) + view.omitted == 1826
    assert view.omitted > 0
    assert table_csv(frame).count("\n") == 1827


def test_an_empty_table_has_headings_and_no_rows():
    view = view_table(pd.DataFrame({"factor": pd.Series(dtype=str), "q": pd.Series(dtype=float)}))
    assert [column.label for column in view.columns] == ["factor", "q"]
    assert view.rows == ()


def test_the_csv_loses_nothing():
    frame = pd.DataFrame({"theta": [0.1 + 0.2, math.nan, 1e-300], "area": ["a,b", 'c"d', "é"]})
    frame.attrs["units"] = {"theta": "m3 m-3"}
    back = pd.read_csv(io.StringIO(table_csv(frame)))
    assert list(back.columns) == ["theta [m3 m-3]", "area"]
    pd.testing.assert_series_equal(back["theta [m3 m-3]"], frame["theta"], check_names=False)
    assert list(back["area"]) == list(frame["area"])


def test_rows_of_different_quantities_share_no_decimals():
    frame = pd.DataFrame({"truth": [0.000332, 12.43, 0.5, 0.11269]})
    frame.attrs["mixed"] = True
    assert texts(frame) == [["0.000332", "12.4", "0.500", "0.113"]]
