"""Payloads of soil probes over LoRa, as they come through two network servers."""

import base64
import json
import math

import pytest

from headwater.errors import DataError
from headwater.network.ingest.decoders import (
    DECODERS,
    check_decoder,
    decode_payload,
    decode_records,
)
from headwater.network.ingest.mapping import parse_mapping
from headwater.network.ingest.messages import read_messages

LSE01 = "0b45" + "0ccd" + "05dc" + "ff9c" + "00c8"
STORED = "20ce" + "15e81568" + "f000" + "1901" + "8e08"


def mapping_of(decoder: str, payload: str, column: str, time: str = "time"):
    series = {
        "column": column,
        "thing": "A",
        "property": "soil_moisture",
        "unit": "vol%",
        "depth": 0.1,
    }
    mqtt = {"decoder": decoder, "payload": payload}
    return parse_mapping({"time": {"column": time}, "mqtt": mqtt, "series": [series]})


def chirpstack(payload: str, port: int = 2) -> bytes:
    data = base64.b64encode(bytes.fromhex(payload)).decode()
    message = {"time": "2025-07-05T16:16:30.899+00:00", "fPort": port, "data": data}
    return json.dumps(message).encode()


def ttn(payload: str, port: int = 2) -> bytes:
    data = base64.b64encode(bytes.fromhex(payload)).decode()
    uplink = {"f_port": port, "frm_payload": data}
    return json.dumps({"received_at": "2025-07-05T16:16:30Z", "uplink_message": uplink}).encode()


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_each_decoder_reads_its_published_payload(name) -> None:
    check_decoder(name)


def test_frozen_soil_and_a_probe_that_is_not_there() -> None:
    assert decode_payload("dragino-lse01", bytes.fromhex(LSE01 + "10"))["temp_SOIL"] == -1.0
    gone = decode_payload("dragino-lse01", bytes.fromhex("0b45" + "7fff" + "0000" * 3 + "00"))
    assert [name for name, value in gone.items() if math.isnan(value)] == [
        "temp_DS18B20",
        "water_SOIL",
        "temp_SOIL",
        "conduct_SOIL",
    ]


def test_raw_values_are_no_moisture() -> None:
    raw = decode_payload("dragino-lse01", bytes.fromhex(LSE01 + "90"))
    assert "water_SOIL" not in raw
    assert raw["Soil_dielectric_constant"] == 150.0


@pytest.mark.parametrize("port", [3, 5])
def test_other_ports_bear_other_layouts(port) -> None:
    """Eleven bytes of a stored record look like eleven of a reading."""
    for message, place in ((chirpstack, "data"), (ttn, "uplink_message.frm_payload")):
        time = "time" if place == "data" else "received_at"
        mapping = mapping_of("dragino-lse01", place, "water_SOIL", time)
        good = read_messages([("a", message(LSE01 + "10"))], mapping)
        assert good.data["value"].tolist() == [0.15]
        other = read_messages([("a", message(LSE01 + "10", port))], mapping)
        assert (len(other.data), len(other.refused)) == (0, 1)
        assert f"port {port}" in other.refused[0].reason


def test_marks_of_a_milesight_probe_are_missing_values_but_frost_is_not() -> None:
    def values(payload):
        found = decode_payload("milesight-em500-smtc", bytes.fromhex(payload))
        return [found[name] for name in ("temperature", "moisture", "ec")]

    assert values("0367ffff04ca8e08057ff000") == [-0.1, 21.9, 240.0]
    assert all(math.isnan(one) for one in values("0367ffff04caffff057fffff"))
    assert all(math.isnan(one) for one in values("0367fdff04cafdff057ffdff"))


def test_what_a_milesight_probe_has_stored_comes_at_its_own_time() -> None:
    mapping = mapping_of("milesight-em500-smtc", "data", "moisture")
    reading = read_messages([("a", chirpstack("04caaf09" + STORED + STORED, 85))], mapping)
    assert reading.data["value"].tolist() == [0.2479, 0.219]  # said twice, kept once
    assert [str(one)[:19] for one in reading.data["time"]] == [
        "2025-07-05 16:16:30",
        "2025-05-03 09:55:33",
    ]
    assert reading.refused == ()
    assert decode_payload("milesight-em500-smtc", bytes.fromhex(STORED)) == {}


def test_settings_and_beginnings_of_a_milesight_probe() -> None:
    begins = "ff0bff" + "ff0101" + "ff166136c40091605408" + "ff090300" + "ff0a0101" + "fffeff"
    with pytest.raises(DataError, match="no readings in it"):
        decode_records("milesight-em500-smtc", bytes.fromhex(begins))
    both = decode_payload("milesight-em500-smtc", bytes.fromhex(begins + "04ca8e08" + "fe03b004"))
    assert both == {"moisture": 21.9}
    with pytest.raises(DataError, match="unknown channel 09 09"):
        decode_records("milesight-em500-smtc", bytes.fromhex("04ca8e08" + "0909"))
    leap = decode_payload("milesight-em500-smtc", bytes.fromhex("83d71901e6ff01"))
    assert leap == {"temperature": 28.1}


def test_a_name_that_is_spelt_wrong_swallows_nothing() -> None:
    series = {"column": "object.moistrue", "thing": "A", "property": "soil_moisture", "unit": "1"}
    mapping = parse_mapping({"series": [series]})
    sent = b'{"time": "2025-07-05T16:16:30Z", "object": {"moisture": 0.2}}'
    reading = read_messages([("a", sent)], mapping)
    assert (len(reading.data), len(reading.refused)) == (0, 1)
    assert "none of the values that the mapping asks for" in reading.refused[0].reason
    null = read_messages([("a", sent.replace(b'"moisture": 0.2', b'"moistrue": null'))], mapping)
    assert (null.missing, null.refused) == (1, ())
