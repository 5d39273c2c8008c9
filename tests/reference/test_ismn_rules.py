"""The network's rules as its own program applies them.

Source of the flags: flagit 0.3 (MIT, TU Wien), run with pandas 2.1 on the station that
``benchmarks.ismn_flags.station`` makes (seed 14, 26 298 hours); written by that script.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from headwater.network.quality.flags import Flag

ROOT = Path(__file__).resolve().parents[2]
BITS = {
    "C01": Flag.BELOW_RANGE,
    "C02": Flag.ABOVE_RANGE,
    "D01": Flag.FROZEN,
    "D04": Flag.RISE_WITHOUT_WATER,
    "D06": Flag.SPIKE,
    "D07": Flag.DROP,
    "D08": Flag.JUMP,
    "D09": Flag.LOW_PLATEAU,
    "D10": Flag.HIGH_PLATEAU,
}
FACTS = Path(__file__).resolve().parents[1] / "data" / "network" / "flagit.json"


@pytest.fixture(scope="module")
def flags() -> tuple[dict[str, list[int]], np.ndarray, int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        from benchmarks.ismn_flags import our_flags, station
    data = station()
    return json.loads(FACTS.read_text())["flags"], our_flags(data)[0], len(data)


@pytest.mark.parametrize("code", sorted(BITS))
def test_each_rule_flags_what_the_network_flags(flags, code: str) -> None:
    wanted, found, n = flags
    theirs = np.zeros(n, dtype=bool)
    theirs[wanted[code]] = True
    ours = found & int(BITS[code]) > 0
    assert (theirs & ours).sum() >= 10
    if code == "D10":  # where it begins is a matter of a rounded difference
        assert (theirs & ours).sum() / theirs.sum() > 0.9
        assert (theirs & ours).sum() / ours.sum() > 0.99
    else:
        np.testing.assert_array_equal(np.flatnonzero(ours), np.flatnonzero(theirs))
