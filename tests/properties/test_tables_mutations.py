"""No table is read as other numbers without a warning, however it is written."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.tables.numbers import parse_numbers
from headwater.tables.times import parse_times

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "table_mutations.py"
pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="benchmarks/ is not here")


@pytest.fixture(scope="module")
def mutations():
    spec = importlib.util.spec_from_file_location("table_mutations", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["table_mutations"] = module
    spec.loader.exec_module(module)
    return module


@settings(deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_mutated_file_gives_another_number_silently(mutations, seed) -> None:
    pytest.importorskip("openpyxl")
    file = mutations.mutate(np.random.default_rng(seed))
    verdict = mutations.judge(file)
    assert verdict.fate not in ("silent", "crashed"), (verdict, file.traits)


def test_the_judge_finds_what_is_silent(mutations) -> None:
    file = mutations.mutate(np.random.default_rng(5))
    for seed in range(5, 60):
        file = mutations.mutate(np.random.default_rng(seed))
        if mutations.judge(file).fate == "same":
            break
    wrong = mutations.Mutated(
        file.content, file.name, file.expected.assign(d18O=file.expected["d18O"] + 1), file.names
    )
    assert mutations.judge(wrong).fate == "silent"


numbers = st.decimals(-9000, 9000, places=3, allow_nan=False, allow_infinity=False)


@given(values=st.lists(numbers, min_size=1, max_size=8), comma=st.booleans())
def test_numbers_with_their_sign_given_come_back(values, comma) -> None:
    kept = [float(value) for value in values if abs(value) < 6000 and int(value) not in (-999, 0)]
    sign = "," if comma else "."
    texts = [
        f"{value:,.3f}".translate(str.maketrans(",.", ".,")) if comma else f"{value:,.3f}"
        for value in kept
    ]
    assert parse_numbers(texts, decimal=sign).values.tolist() == kept


@given(days=st.lists(st.dates(), min_size=1, max_size=6), order=st.sampled_from(["dmy", "mdy"]))
def test_dates_with_their_order_given_come_back(days, order) -> None:
    days = [day for day in days if 1801 <= day.year <= 2199]
    form = {"dmy": "{d:02d}/{m:02d}/{y}", "mdy": "{m:02d}/{d:02d}/{y}"}[order]
    texts = [form.format(d=day.day, m=day.month, y=day.year) for day in days]
    read = parse_times(texts, order=order).values.astype("datetime64[D]").tolist()
    assert read == days
