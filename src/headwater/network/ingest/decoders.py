"""Payloads of soil probes that send over LoRa, decoded from their bytes.

A network server that decodes by itself needs none of this: its messages are read by nested names,
such as ``uplink_message.decoded_payload.water_SOIL``. Each decoder carries a published payload with
its values (of Decentlab, who publish formulas without values, computed from these by hand) and is
tried on it before the first message is taken.

References
----------
Dragino (2022). LSE01 LoRaWAN Soil Moisture & EC Sensor User Manual, section 2.3. The registers and
their worked values are the manual's; their order in the payload is recalled, unchecked.
Milesight IoT. SensorDecoders, EM500-SMTC, README.md (commit 200ae9d): channels and example.
Decentlab. decentlab-decoders (commit 1ceab79): word order, formulas and sample payloads of DL-TRS12
(METER TEROS 12), DL-5TM (METER 5TM) and DL-SMTP (Sentek).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from headwater.errors import DataError, StudyError, nearest

__all__ = ["DECODERS", "Decoder", "check_decoder", "decode_payload"]

Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the bytes of one probe become values.

    Attributes
    ----------
    decode : callable
        Bytes to values by name.
    units : dict of str
        Unit of each value.
    sample : str
        A published payload, hexadecimal.
    expected : dict of float
        Its values.
    source : str
    """

    decode: Callable[[bytes], Values]
    units: dict[str, str]
    sample: str
    expected: Values
    source: str


def decode_payload(name: str, payload: bytes) -> Values:
    """Decode the payload of a probe.

    Parameters
    ----------
    name : str
        One of :data:`DECODERS`.
    payload : bytes

    Returns
    -------
    dict of float
        By name, in the units of the decoder.

    Raises
    ------
    StudyError
        If there is no such decoder.
    DataError
        If the payload is not of this probe.

    Examples
    --------
    >>> decode_payload("milesight-em500-smtc", bytes.fromhex("01756403671901046873057FF000"))
    {'battery': 100.0, 'temperature': 28.1, 'moisture': 57.5, 'ec': 240.0}
    """
    decoder = DECODERS.get(name)
    if decoder is None:
        raise StudyError("unknown decoder", found=f"'{name}'", do=nearest(name, sorted(DECODERS)))
    try:
        return decoder.decode(payload)
    except (struct.error, IndexError, ValueError) as error:
        raise DataError(
            f"not a payload of {name}",
            found=f"{payload.hex() or 'no bytes'} ({error})",
            do="Check which probe sends on this topic",
        ) from None


def check_decoder(name: str) -> None:
    """Try a decoder on its published sample.

    Parameters
    ----------
    name : str

    Raises
    ------
    StudyError
        If there is no such decoder.
    DataError
        If the sample does not decode to its published values.

    Examples
    --------
    >>> for name in DECODERS:
    ...     check_decoder(name)
    """
    found = decode_payload(name, bytes.fromhex(DECODERS[name].sample if name in DECODERS else ""))
    for key, wanted in DECODERS[name].expected.items():
        if not math.isclose(found.get(key, math.nan), wanted, rel_tol=0.0, abs_tol=1e-6):
            raise DataError(
                f"the decoder {name} does not decode its own sample",
                found=f"{key} = {found.get(key)}, published {wanted}",
                do="Do not use it, and report this",
            )


def _dragino_lse01(payload: bytes) -> Values:
    """Big-endian words: battery, outer temperature, moisture, soil temperature, conductivity."""
    battery, outer, water, soil, conductivity = struct.unpack(">Hhhhh", payload[:10])
    return {
        "BatV": (battery & 0x3FFF) / 1000,
        "temp_DS18B20": outer / 10,
        "water_SOIL": water / 100,
        "temp_SOIL": soil / 100,
        "conduct_SOIL": float(conductivity & 0xFFFF),
    }


_MILESIGHT = {
    (0x01, 0x75): ("battery", "<B", 1.0),
    (0x03, 0x67): ("temperature", "<h", 10.0),
    (0x04, 0x68): ("moisture", "<B", 2.0),
    (0x04, 0xCA): ("moisture", "<H", 100.0),
    (0x05, 0x7F): ("ec", "<H", 1.0),
}
_MILESIGHT_SKIPPED = {(0x83, 0xD7): 5, (0x20, 0xCE): 10, (0xFF, 0x01): 1, (0xFF, 0x0B): 1} | {
    (0xFF, kind): length for kind, length in ((0x16, 8), (0x09, 2), (0x0A, 2), (0x0F, 1), (0xFF, 2))
}


def _milesight_em500(payload: bytes) -> Values:
    """Channels of an identifier, a kind and little-endian bytes, one after the other."""
    found: Values = {}
    at = 0
    while at < len(payload):
        channel = (payload[at], payload[at + 1])
        at += 2
        if channel in _MILESIGHT:
            name, layout, scale = _MILESIGHT[channel]
            found[name] = struct.unpack_from(layout, payload, at)[0] / scale
            at += struct.calcsize(layout)
        elif channel in _MILESIGHT_SKIPPED:
            at += _MILESIGHT_SKIPPED[channel]
        else:
            raise ValueError(f"unknown channel {channel[0]:02x} {channel[1]:02x}")
    return found


def _decentlab(payload: bytes, length: int, convert: Callable[[tuple[int, ...]], Values]) -> Values:
    """Version 2 of the protocol: version, device, flags, then words of each sensor that is on."""
    version, _, flags = struct.unpack(">BHH", payload[:5])
    if version != 2:
        raise ValueError(f"protocol version {version}, not 2")
    words = struct.unpack(f">{(len(payload) - 5) // 2}H", payload[5:])
    found: Values = {}
    if flags & 1:
        if len(words) < length:
            raise ValueError(f"{len(words)} words where the probe sends {length}")
        found |= convert(words[:length])
        words = words[length:]
    if flags & 2:
        found["battery_voltage"] = words[0] / 1000
    return found


def _decentlab_trs12(payload: bytes) -> Values:
    def convert(words: tuple[int, ...]) -> Values:
        raw = words[0] / 10
        root = 2.887e-9 * raw**3 - 2.08e-5 * raw**2 + 5.276e-2 * raw - 43.39
        return {
            "dielectric_permittivity": root**2,
            "volumetric_water_content": 3.879e-4 * raw - 0.6956,
            "soil_temperature": (words[1] - 32768) / 10,
            "electrical_conductivity": float(words[2]),
        }

    return _decentlab(payload, 3, convert)


def _decentlab_5tm(payload: bytes) -> Values:
    def convert(words: tuple[int, ...]) -> Values:
        permittivity = words[0] / 50
        return {
            "dielectric_permittivity": permittivity,
            # Topp et al. (1980), doi:10.1029/WR016i003p00574
            "volumetric_water_content": 4.3e-6 * permittivity**3
            - 5.5e-4 * permittivity**2
            + 2.92e-2 * permittivity
            - 5.3e-2,
            "soil_temperature": (words[1] - 400) / 10,
        }

    return _decentlab(payload, 2, convert)


def _decentlab_smtp(payload: bytes) -> Values:
    def convert(words: tuple[int, ...]) -> Values:
        found: Values = {}
        for level in range(8):
            moisture, temperature = words[2 * level : 2 * level + 2]
            if moisture or temperature:  # a probe of fewer levels fills up with zeros
                found[f"soil_moisture_{level}"] = (moisture - 2500) / 500
                found[f"soil_temperature_{level}"] = (temperature - 32768) / 100
        return found

    return _decentlab(payload, 16, convert)


_METER_UNITS = {
    "dielectric_permittivity": "1",
    "volumetric_water_content": "m3 m-3",
    "soil_temperature": "degC",
    "electrical_conductivity": "uS cm-1",
    "battery_voltage": "V",
}

#: Decoders by name.
DECODERS: dict[str, Decoder] = {
    "dragino-lse01": Decoder(
        _dragino_lse01,
        {
            "BatV": "V",
            "temp_DS18B20": "degC",
            "water_SOIL": "vol%",
            "temp_SOIL": "degC",
            "conduct_SOIL": "uS cm-1",
        },
        # the worked values of the manual, put together
        "0b45" + "0000" + "05dc" + "0105" + "00c8" + "10",
        {"BatV": 2.885, "water_SOIL": 15.0, "temp_SOIL": 2.61, "conduct_SOIL": 200.0},
        "Dragino, LSE01 user manual, section 2.3",
    ),
    "milesight-em500-smtc": Decoder(
        _milesight_em500,
        {"battery": "%", "temperature": "degC", "moisture": "vol%", "ec": "uS cm-1"},
        "01756403671901046873057FF000",
        {"battery": 100.0, "temperature": 28.1, "moisture": 57.5, "ec": 240.0},
        "Milesight-IoT/SensorDecoders, EM500-SMTC, README.md",
    ),
    "decentlab-dl-trs12": Decoder(
        _decentlab_trs12,
        _METER_UNITS,
        "0210d3000346be813d00000c80",
        {
            "volumetric_water_content": 0.0068869,
            "soil_temperature": 31.7,
            "electrical_conductivity": 0.0,
            "battery_voltage": 3.2,
        },
        "decentlab/decentlab-decoders, DL-TRS12",
    ),
    "decentlab-dl-5tm": Decoder(
        _decentlab_5tm,
        _METER_UNITS,
        "02023b0003003702710c60",
        {"dielectric_permittivity": 1.1, "soil_temperature": 22.5, "battery_voltage": 3.168},
        "decentlab/decentlab-decoders, DL-5TM",
    ),
    "decentlab-dl-smtp": Decoder(
        _decentlab_smtp,
        {f"soil_moisture_{k}": "1" for k in range(8)}
        | {f"soil_temperature_{k}": "degC" for k in range(8)}
        | {"battery_voltage": "V"},
        "020b50000309018a8c09438a9809278a920b3c8aa50c9c8a8c11e08aa500000000000000000b3b",
        {
            "soil_moisture_0": -0.390,
            "soil_temperature_0": 27.0,
            "soil_moisture_5": 4.152,
            "battery_voltage": 2.875,
        },
        "decentlab/decentlab-decoders, DL-SMTP",
    ),
}
