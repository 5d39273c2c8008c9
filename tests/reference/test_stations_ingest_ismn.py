"""Both formats of the International Soil Moisture Network, as the package `ismn` reads them.

The lines are of the network's own files: RSMN Adamclisi (header and values; archive sample of
TUW-GEO/ismn, commit a9465f7) and COSMOS ARM-1 (CEOP; commit 5a0995a). The peer is ismn 1.5 (MIT),
run where it is installed; the values below were read from the files by eye.
"""

from pathlib import Path

import numpy as np
import pytest

from headwater.network.ingest.formats import read_file
from headwater.network.quality.flags import from_ismn

RSMN = """RSMN RSMN Adamclisi 44.08829 27.96591 158.0 0.0000 0.0500 'Meter-5TM'
2024/12/26 22:00 0.123 D04 M
2024/12/26 23:00 0.1 G M
2024/12/28 05:00 0.145 D02,D03 M
2024/12/31 03:00 0.065 D01,D02,D03 M
2024/12/31 17:00 0.026 D01,D02,D03 M
2024/12/31 19:00 0.025 D01,D02,D03 M
"""
PLACE = "COSMOS     COSMOS          ARM-1             36.60540   -97.48780  322.00    0.00    0.19"
COSMOS = f"""2017/08/10 00:00 2017/08/10 00:00 {PLACE}   0.1410 G M
2017/08/10 01:00 2017/08/10 01:00 {PLACE}   0.1390 G M
2017/08/10 06:00 2017/08/10 06:00 {PLACE}   0.1710 G M
"""
FILES = {
    "RSMN/Adamclisi/RSMN_RSMN_Adamclisi_sm_0.000000_0.050000_Meter-5TM_19500101_20260512.stm": RSMN,
    "COSMOS/ARM-1/COSMOS_COSMOS_ARM-1_sm_0.000000_0.190000_"
    "Cosmic-ray-Probe_20170810_20180809.stm": COSMOS,
}


def written(folder: Path) -> list[Path]:
    paths = []
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        paths.append(path)
    return paths


def test_values_flags_and_places(tmp_path: Path) -> None:
    written(tmp_path)
    told = read_file(tmp_path)
    assert (told.lines, told.kept, told.refused) == (9, 9, ())
    values = dict(tuple(told.data.groupby("series", observed=True)["value"]))
    rsmn, cosmos = (next(k for k in values if k.startswith(n)) for n in ("RSMN", "COSMOS"))
    assert values[rsmn].tolist() == [0.123, 0.1, 0.145, 0.065, 0.026, 0.025]
    assert values[cosmos].tolist() == [0.141, 0.139, 0.171]
    assert told.places["COSMOS ARM-1"].longitude == -97.4878
    assert told.places["RSMN Adamclisi"].elevation == 158.0
    assert told.series[cosmos].depth == pytest.approx(0.095)
    flags = told.data["flag"].str.split("|").str[0]
    assert from_ismn(flags).tolist() == [0, 0, 0, 32, 0, 1, 1, 1, 1]


# ismn 1.5.4 still uses keywords that pandas 3.1 deprecates
@pytest.mark.filterwarnings("ignore:.*inplace.*", "ignore::FutureWarning")
def test_as_the_peer_reads_it(tmp_path: Path) -> None:
    filehandlers = pytest.importorskip("ismn.filehandlers", reason="ismn is not installed")
    for path in written(tmp_path):
        peer = filehandlers.DataFile(tmp_path, path.relative_to(tmp_path))
        table, ours = peer.read_data(), read_file(path)
        times = ours.data["time"].dt.tz_localize(None).to_numpy("datetime64[us]")
        np.testing.assert_array_equal(times, table.index.to_numpy("datetime64[us]"))
        np.testing.assert_array_equal(ours.data["value"], table["soil_moisture"])
        both = table["soil_moisture_flag"] + "|" + table["soil_moisture_orig_flag"]
        assert ours.data["flag"].tolist() == both.tolist()
        place = next(iter(ours.places.values()))
        assert place.latitude == peer.metadata["latitude"].val
        assert place.longitude == peer.metadata["longitude"].val
