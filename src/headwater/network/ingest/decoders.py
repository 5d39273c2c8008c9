"""Payloads of soil probes that send over LoRa, decoded from their bytes.

A network server that decodes by itself needs none of this: its messages are read by nested names,
such as ``uplink_message.decoded_payload.water_SOIL``. Each decoder carries a published payload with
its values (of Decentlab, who publish formulas without values, computed from these by hand) and is
tried on it before the first message is taken. Marks of a probe that does not answer are missing
values, never readings of 655.35 %.

References
----------
Dragino (2022). LSE01 LoRaWAN Soil Moisture & EC Sensor User Manual, section 2.3, and
dragino-end-node-decoder (commit e81cc58), LSE01 V1.2.1 and SE01-LB: order of the registers, mode of
raw values, ports.
Milesight IoT. SensorDecoders, EM500-SMTC, README.md (commit 200ae9d): channels and example; its
decoder: marks of a probe that cannot be read (0xFFFF) or is out of range (0xFFFD), stored readings.
Decentlab. decentlab-decoders (commit ae766f0): word order, formulas and sample payloads.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from headwater.errors import DataError, StudyError, nearest

__all__ = ["DECODERS", "Decoder", "check_decoder", "decode_payload", "decode_records"]

Values = dict[str, float]
Record = tuple[int | None, Values]
Decode = Callable[[bytes], list[Record]]
_NAN = math.nan


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the bytes of one probe become values.

    Attributes
    ----------
    decode : callable
        Bytes to records: time of a stored reading [s since 1970] or None, and values by name.
    units : dict of str
        Unit of each value.
    sample : str
        A published payload, hexadecimal.
    expected : dict of float
        Its values.
    source : str
    port : int, optional
        At which readings come, where other ports bear other layouts.
    """

    decode: Decode
    units: dict[str, str]
    sample: str
    expected: Values
    source: str
    port: int | None = None


def decode_payload(name: str, payload: bytes, port: int | None = None) -> Values:
    """Decode the present readings of a probe.

    Parameters
    ----------
    name : str
        One of :data:`DECODERS`.
    payload : bytes
    port : int, optional
        Of LoRaWAN, where the message names it.

    Returns
    -------
    dict of float
        By name, in the units of the decoder; NaN where the probe says that it could not read.

    Raises
    ------
    StudyError
        If there is no such decoder.
    DataError
        If the payload is not of this probe, or holds no readings.

    Examples
    --------
    >>> decode_payload("milesight-em500-smtc", bytes.fromhex("01756403671901046873057FF000"))
    {'battery': 100.0, 'temperature': 28.1, 'moisture': 57.5, 'ec': 240.0}
    """
    records = decode_records(name, payload, port)
    return {key: one for time, found in records if time is None for key, one in found.items()}


def decode_records(name: str, payload: bytes, port: int | None = None) -> list[Record]:
    """Decode all readings of a payload: the present ones, and those that a probe had stored.

    Parameters
    ----------
    name : str
        One of :data:`DECODERS`.
    payload : bytes
    port : int, optional
        Of LoRaWAN, where the message names it.

    Returns
    -------
    list of (int or None, dict of float)
        Time of a stored reading [s since 1970], None for the present; values by name.

    Raises
    ------
    StudyError
        If there is no such decoder.
    DataError
        If the payload is not of this probe, or holds no readings.

    Examples
    --------
    >>> stored = bytes.fromhex("20CE" "15E81568" "F000" "1901" "8E08")
    >>> decode_records("milesight-em500-smtc", stored)
    [(1746266133, {'ec': 240.0, 'temperature': 28.1, 'moisture': 21.9})]
    """
    decoder = DECODERS.get(name)
    if decoder is None:
        raise StudyError("unknown decoder", found=f"'{name}'", do=nearest(name, sorted(DECODERS)))
    try:
        if decoder.port is not None and port not in (None, decoder.port):
            raise ValueError(f"port {port}, readings come at port {decoder.port}")
        records = decoder.decode(payload)
        if not any(values for _, values in records):
            raise ValueError("no readings in it")
    except (struct.error, IndexError, ValueError) as error:
        raise DataError(
            f"not readings of {name}",
            found=f"{payload.hex() or 'no bytes'} ({error})",
            do="Check which probe sends on this topic",
        ) from None
    return records


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


def _dragino_lse01(payload: bytes) -> list[Record]:
    """Big-endian words: battery, outer temperature, moisture, soil temperature, conductivity."""
    battery, outer, *soil = struct.unpack(">HhHhH", payload[:10])
    state = payload[10] if len(payload) > 10 else 0x10
    found = {
        "BatV": (battery & 0x3FFF) / 1000,
        "temp_DS18B20": _NAN if outer == 0x7FFF else outer / 10,
    }
    if state & 0x80:  # set to raw values, which are no moisture
        raw = ("Soil_dielectric_constant", "Raw_water_SOIL", "Raw_conduct_SOIL")
        values = (soil[0] / 10, float(soil[1] & 0xFFFF), float(soil[2]))
        return [(None, found | dict(zip(raw, values, strict=True)))]
    silent = not (state & 0x10 or any(soil))  # no probe was found, and all its registers are zero
    water, temperature, conductivity = soil
    found |= {
        "water_SOIL": _NAN if silent else water / 100,
        "temp_SOIL": _NAN if silent else temperature / 100,
        "conduct_SOIL": _NAN if silent else float(conductivity),
    }
    return [(None, found)]


_MILESIGHT = {
    (0x01, 0x75): (("battery", "<B", 1.0),),
    (0x03, 0x67): (("temperature", "<h", 10.0),),
    (0x04, 0x68): (("moisture", "<B", 2.0),),
    (0x04, 0xCA): (("moisture", "<H", 100.0),),
    (0x05, 0x7F): (("ec", "<H", 1.0),),
    # a leap of the temperature: the temperature, its change, whether it is over
    (0x83, 0xD7): (("temperature", "<h", 10.0), ("", "<h", 10.0), ("", "<B", 1.0)),
}
_MILESIGHT_STORED = (("ec", "<H", 1.0), ("temperature", "<h", 10.0), ("moisture", "<H", 100.0))
_MILESIGHT_SKIPPED = {
    (0xFF, kind): length
    for kind, length in (
        (0x01, 1),
        (0x09, 2),
        (0x0A, 2),
        (0x0B, 1),
        (0x0F, 1),
        (0x16, 8),
        (0xFE, 1),
        (0xFF, 2),
    )
}
_MILESIGHT_MARKS = (b"\xff\xff", b"\xfd\xff")


def _milesight_em500(payload: bytes) -> list[Record]:
    """Channels of an identifier, a kind and little-endian bytes, one after the other."""
    present: Values = {}
    stored: list[Record] = []
    at = 0
    while at < len(payload):
        channel = (payload[at], payload[at + 1])
        at += 2
        if channel in _MILESIGHT:
            found, at = _milesight_values(payload, at, _MILESIGHT[channel])
            present |= found
        elif channel == (0x20, 0xCE):
            time = struct.unpack_from("<I", payload, at)[0]
            found, at = _milesight_values(payload, at + 4, _MILESIGHT_STORED)
            stored.append((time, _without_marks(found)))
        elif channel in _MILESIGHT_SKIPPED:
            at += _MILESIGHT_SKIPPED[channel]
        elif channel[0] in (0xFE, 0xFF) and (present or stored):
            break  # an answer to a setting, of unknown length, holds no readings
        else:
            raise ValueError(f"unknown channel {channel[0]:02x} {channel[1]:02x}")
    return [*([(None, _without_marks(present))] if present else []), *stored]


def _milesight_values(
    payload: bytes, at: int, layout: tuple[tuple[str, str, float], ...]
) -> tuple[Values, int]:
    """Read values, infinite where the probe could not be read; and where the next begins."""
    found: Values = {}
    for name, kind, scale in layout:
        raw = payload[at : at + struct.calcsize(kind)]
        value = struct.unpack(kind, raw)[0] / scale
        if name:
            unsigned = kind == "<H" and raw in _MILESIGHT_MARKS
            found[name] = math.inf if unsigned else value
        at += len(raw)
    return found, at


def _without_marks(found: Values) -> Values:
    """Make marks missing values.

    As a temperature, the marks are -0.1 and -0.3 °C, which soil often has; there they count as
    marks only where another channel of the same reading bears one.
    """
    failed = math.inf in found.values()
    return {
        name: _NAN if value == math.inf or (failed and value in (-0.1, -0.3)) else value
        for name, value in found.items()
    }


def _decentlab(length: int, convert: Callable[[tuple[int, ...]], Values]) -> Decode:
    """Version 2 of the protocol: version, device, flags, then words of each sensor that is on."""

    def decode(payload: bytes) -> list[Record]:
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
        return [(None, found)]

    return decode


def _teros_11(words: tuple[int, ...]) -> Values:
    raw = words[0] / 10
    root = 2.887e-9 * raw**3 - 2.08e-5 * raw**2 + 5.276e-2 * raw - 43.39
    return {
        "dielectric_permittivity": root**2,
        "volumetric_water_content": 3.879e-4 * raw - 0.6956,
        "soil_temperature": (words[1] - 32768) / 10,
    }


def _teros_12(words: tuple[int, ...]) -> Values:
    return _teros_11(words) | {"electrical_conductivity": float(words[2])}


def _teros_21(words: tuple[int, ...]) -> Values:
    return {"water_potential": -words[0] / 10, "soil_temperature": (words[1] - 32768) / 10}


def _meter_5tm(words: tuple[int, ...]) -> Values:
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


def _meter_5te(words: tuple[int, ...]) -> Values:
    return _meter_5tm(words) | {"electrical_conductivity": 10.0 * words[2]}


def _meter_gs3(words: tuple[int, ...]) -> Values:
    permittivity = words[0] / 100
    return {
        "dielectric_permittivity": permittivity,
        "volumetric_water_content": 5.89e-6 * permittivity**3
        - 7.62e-4 * permittivity**2
        + 3.67e-2 * permittivity
        - 7.53e-2,
        "soil_temperature": (words[1] - 32768) / 10,
        "electrical_conductivity": float(words[2]),
    }


def _meter_10hs(words: tuple[int, ...]) -> Values:
    volts = 3000 * (words[0] - 32768) / 32768  # [mV]
    water = 2.97e-9 * volts**3 - 7.37e-6 * volts**2 + 6.69e-3 * volts - 1.92
    return {"raw_sensor_reading": volts, "volumetric_water_content": water}


def _smtp(words: tuple[int, ...]) -> Values:
    found: Values = {}
    for level in range(8):
        moisture, temperature = words[2 * level : 2 * level + 2]
        if moisture or temperature:  # a probe of fewer levels fills up with zeros
            found[f"soil_moisture_{level}"] = (moisture - 2500) / 500
            found[f"soil_temperature_{level}"] = (temperature - 32768) / 100
    return found


_METER_UNITS = {
    "raw_sensor_reading": "mV",
    "water_potential": "kPa",
    "dielectric_permittivity": "1",
    "volumetric_water_content": "m3 m-3",
    "soil_temperature": "degC",
    "electrical_conductivity": "uS cm-1",
    "battery_voltage": "V",
}


def _of_decentlab(model: str, decode: Decode, sample: str, expected: Values) -> Decoder:
    """Make the decoder of a probe of METER on a node of Decentlab."""
    return Decoder(decode, _METER_UNITS, sample, expected, f"decentlab/decentlab-decoders, {model}")


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
            "Soil_dielectric_constant": "1",
            "Raw_water_SOIL": "1",
            "Raw_conduct_SOIL": "1",
        },
        # the worked values of the manual, put together
        "0b45" + "0000" + "05dc" + "0105" + "00c8" + "10",
        {"BatV": 2.885, "water_SOIL": 15.0, "temp_SOIL": 2.61, "conduct_SOIL": 200.0},
        "Dragino, LSE01 user manual, section 2.3",
        port=2,
    ),
    "milesight-em500-smtc": Decoder(
        _milesight_em500,
        {"battery": "%", "temperature": "degC", "moisture": "vol%", "ec": "uS cm-1"},
        "01756403671901046873057FF000",
        {"battery": 100.0, "temperature": 28.1, "moisture": 57.5, "ec": 240.0},
        "Milesight-IoT/SensorDecoders, EM500-SMTC, README.md",
    ),
    "decentlab-dl-trs11": _of_decentlab(
        "DL-TRS11",
        _decentlab(2, _teros_11),
        "0210d50003463f810b0c79",
        {
            "volumetric_water_content": 0.00196057,
            "soil_temperature": 26.7,
            "battery_voltage": 3.193,
        },
    ),
    "decentlab-dl-trs12": _of_decentlab(
        "DL-TRS12",
        _decentlab(3, _teros_12),
        "0210d3000346be813d00000c80",
        {
            "volumetric_water_content": 0.0068869,
            "soil_temperature": 31.7,
            "electrical_conductivity": 0.0,
            "battery_voltage": 3.2,
        },
    ),
    "decentlab-dl-trs21": _of_decentlab(
        "DL-TRS21",
        _decentlab(2, _teros_21),
        "0201920003007580a10c25",
        {"water_potential": -11.7, "soil_temperature": 16.1, "battery_voltage": 3.109},
    ),
    "decentlab-dl-5tm": _of_decentlab(
        "DL-5TM",
        _decentlab(2, _meter_5tm),
        "02023b0003003702710c60",
        {"dielectric_permittivity": 1.1, "soil_temperature": 22.5, "battery_voltage": 3.168},
    ),
    "decentlab-dl-5te": _of_decentlab(
        "DL-5TE",
        _decentlab(3, _meter_5te),
        "02031c00030037027100000c60",
        {
            "dielectric_permittivity": 1.1,
            "soil_temperature": 22.5,
            "electrical_conductivity": 0.0,
            "battery_voltage": 3.168,
        },
    ),
    "decentlab-dl-gs3": _of_decentlab(
        "DL-GS3",
        _decentlab(3, _meter_gs3),
        "0203630003009980e100010c60",
        {
            "dielectric_permittivity": 1.53,
            "soil_temperature": 22.5,
            "electrical_conductivity": 1.0,
            "battery_voltage": 3.168,
        },
    ),
    "decentlab-dl-10hs": _of_decentlab(
        "DL-10HS",
        _decentlab(1, _meter_10hs),
        "0202df000393710c60",
        {"raw_sensor_reading": 455.657959, "battery_voltage": 3.168},
    ),
    "decentlab-dl-smtp": Decoder(
        _decentlab(16, _smtp),
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
