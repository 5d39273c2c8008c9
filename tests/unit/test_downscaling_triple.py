"""Collocation: errors that are known, assumptions that fail, input that is refused."""

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError
from headwater.validation.collocation import (
    extended_collocation,
    triple_collocation,
    triple_collocations,
)


def products(n=4000, seed=1, errors=(0.01, 0.02, 0.03, 0.02), slopes=(1.0, 0.5, 2.0, 1.0)):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.25, 0.05, n)
    seen = {
        name: slope * truth + rng.normal(0, error, n)
        for name, error, slope in zip("abcd", errors, slopes, strict=True)
    }
    return pd.DataFrame(seen)


def rng():
    return np.random.default_rng(1)


def test_known_errors_are_found_within_their_intervals():
    found = triple_collocation(products()[["a", "b", "c"]], rng=rng(), level=0.998).data
    for row, error, slope in zip(
        found.itertuples(), (0.01, 0.02, 0.03), (1.0, 0.5, 2.0), strict=True
    ):
        assert row.error_sd_low < error < row.error_sd_high
        assert row.beta_low <= 1 / slope <= row.beta_high
        r = slope * 0.05 / np.hypot(slope * 0.05, error)
        assert row.correlation_low < r < row.correlation_high


def test_scale_of_the_reference_does_not_change_the_ratio():
    frame = products()[["a", "b", "c"]]
    one = triple_collocation(frame, rng=rng(), n_resamples=20).data
    other = triple_collocation(frame * [1, 7, 1], reference="c", rng=rng(), n_resamples=20).data
    assert np.allclose(one["snr_db"], other["snr_db"])
    assert other["beta"][2] == 1


def test_missing_values_count_and_keep_their_place():
    frame = products(600)[["a", "b", "c"]]
    frame.iloc[100:200, 0] = np.nan
    found = triple_collocation(frame, rng=rng(), n_resamples=50).data
    whole = triple_collocation(frame.dropna(), rng=rng(), n_resamples=50).data
    assert (found["n"] == 500).all()
    assert np.allclose(found["error_variance"], whole["error_variance"])


def test_same_seed_same_bits():
    tables = [triple_collocation(products()[["a", "b", "c"]], rng=rng()).data for _ in range(2)]
    assert tables[0].equals(tables[1])


def test_error_that_is_not_told_from_zero_says_so():
    frame = products(60, errors=(0.001, 0.03, 0.03, 0.03))[["a", "b", "c"]]
    found = triple_collocation(frame, rng=rng())
    assert "error variance" in found.data["flag"][0]
    assert found.data["error_sd_low"][0] == 0
    assert np.isposinf(found.data["snr_db_high"][0])


def test_products_of_opposite_sign_do_not_see_one_truth():
    frame = products()[["a", "b", "c"]].assign(c=lambda t: -t["c"])
    frame["b"] = frame["b"].to_numpy()[::-1]
    found = triple_collocation(frame, rng=rng()).data
    assert (found["flag"] != "").any()


def test_shared_error_is_found_where_it_is_named():
    frame, source = products(), np.random.default_rng(2)
    frame[["a", "b"]] = frame[["a", "b"]].add(source.normal(0, 0.02, len(frame)), axis=0)
    blind = extended_collocation(frame, rng=rng(), n_resamples=50).data.set_index("dataset")
    found = extended_collocation(frame, correlated=[("b", "a")], rng=rng(), n_resamples=200)
    table = found.data.set_index("dataset")
    assert table.error_variance["a"] == pytest.approx(5e-4, rel=0.1)
    assert blind.error_variance["a"] < 0.8 * 5e-4
    row = table.loc["a & b"]
    assert row["error_variance_low"] < 4e-4 < row["error_variance_high"]
    assert row["correlation"] == pytest.approx(4e-4 / np.sqrt(5e-4 * 8e-4), abs=0.06)


def test_extended_without_pairs_is_triple_collocation():
    frame = products()[["a", "b", "c"]]
    one = triple_collocation(frame, rng=rng(), n_resamples=20).data
    other = extended_collocation(frame, rng=rng(), n_resamples=20).data
    assert np.allclose(one["error_variance"], other["error_variance"])


def test_every_triplet_of_many():
    table = triple_collocations(products(500), rng=rng(), n_resamples=20)
    assert table["triplet"].nunique() == 4
    named = triple_collocations(products(500), reference="a", rng=rng(), n_resamples=20)
    assert named["triplet"].nunique() == 3
    assert (named.loc[named["dataset"] == "a", "beta"] == 1).all()


def test_a_triplet_that_cannot_be_computed_leaves_its_reason():
    frame = products(500).assign(d=0.3)
    table = triple_collocations(frame, rng=rng(), n_resamples=20)
    assert table.loc[table["triplet"] == "a, b, d", "flag"].str.contains("constant").all()
    assert table["triplet"].nunique() == 4


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (products()[["a", "b"]], {}, "three different products"),
        (products(), {}, "three different products"),
        (products(7)[["a", "b", "c"]], {}, "too few rows"),
        (products()[["a", "b", "c"]].assign(b=0.2), {}, "constant. Found: b"),
        (products()[["a", "b", "c"]], {"reference": "aa"}, "Did you mean 'a'|unknown product"),
        (products()[["a", "b", "c"]].assign(b=np.inf), {}, "infinite"),
    ],
)
def test_bad_input_is_refused(frame, options, message):
    with pytest.raises(DataError, match=message):
        triple_collocation(frame, rng=rng(), **options)


def test_a_product_without_independent_partners_is_named():
    pairs = [("a", "b"), ("a", "c"), ("a", "d")]
    with pytest.raises(DataError, match="no triplet of products") as refusal:
        extended_collocation(products(), correlated=pairs, rng=rng())
    assert "a" in str(refusal.value)


def test_drawn_result_has_a_row_for_each_product():
    figure = triple_collocation(products()[["a", "b", "c"]], rng=rng()).plot()
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "b", "c"]
