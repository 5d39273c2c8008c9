"""A series cut into any pieces ends with the flags that it has in one piece."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.network.quality.control import QualityControl, flag_series
from headwater.network.quality.faults import inject

HOUR = 3_600_000_000


def faulty(seed: int, n: int = 1800) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    rain = np.where(rng.random(n) < 0.03, rng.gamma(0.8, 4.0, n), 0.0)
    value = 0.2 + 0.05 * np.sin(np.arange(n) / 90.0) + rng.normal(0, 5e-4, n)
    value, _ = inject(value, each=1, rng=rng)
    value[rng.random(n) < 0.05] = np.nan
    soil = 4.0 * np.sin(np.arange(n) / 250.0) + rng.normal(0, 0.1, n)
    soil[rng.random(n) < 0.1] = np.nan
    rain[rng.random(n) < 0.02] = np.nan
    return np.arange(n) * HOUR, value, {"soil_temperature": soil, "rain": rain}


@settings(deadline=None)
@example(seed=9999, cuts=[750])  # cut between a repeat and the high plateau that follows it
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 1799), max_size=8, unique=True))
def test_pieces_agree_with_the_whole(seed: int, cuts: list[int]) -> None:
    time, value, beside = faulty(seed)
    whole = flag_series(time, value, cadence=1.0, **beside)
    stream = QualityControl(cadence=1.0)
    settled: dict[int, int] = {}
    latest: dict[int, int] = {}
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(time)], strict=True):
        here = slice(start, stop)
        told = stream.push(time[here], value[here], **{k: v[here] for k, v in beside.items()})
        for at, flag, done in zip(told.time, told.flag, told.settled, strict=True):
            assert at not in settled
            latest[int(at)] = int(flag)
            if done:
                settled[int(at)] = int(flag)
    expected = dict(zip(time.tolist(), whole.tolist(), strict=True))
    assert latest == {at: expected[at] for at in latest}
    assert len(latest) == np.isfinite(value).sum()
    assert len(settled) > 0.9 * len(latest)
