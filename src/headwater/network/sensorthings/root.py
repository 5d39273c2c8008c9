"""The service root: what there is, and which requirements of the standard are met.

References
----------
OGC 18-088, section 9.2.1 and Annex A; requirements bear the names that the standard gives them.
"""

from __future__ import annotations

from typing import Any

from headwater.network.sensorthings.model import ENTITY_SETS

__all__ = ["CONFORMANCE", "service_root"]

_BASE = "http://www.opengis.net/spec/iot_sensing/1.1/req"
_MQTT = f"{_BASE}/create-observations-via-mqtt/observations-creation"
_UPDATES = f"{_BASE}/receive-updates-via-mqtt/receive-updates"

#: Requirements that are met, without those of MQTT, which need a broker.
CONFORMANCE: tuple[str, ...] = tuple(
    f"{_BASE}/{part}"
    for part in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        "request-data",
        "create-update-delete/create-entity",
        "create-update-delete/link-to-existing-entities",
        "create-update-delete/deep-insert",
        "create-update-delete/deep-insert-status-code",
        "create-update-delete/update-entity",
        "create-update-delete/delete-entity",
        "create-update-delete/historical-location-auto-creation",
        "batch-request/batch-request",
        "multi-datastream",
        "data-array/data-array",
    )
)


def service_root(root: str, brokers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Write the answer to a GET of the root.

    Parameters
    ----------
    root : str
    brokers : tuple of str
        Addresses of MQTT, such as ``mqtt://host:1883``.

    Returns
    -------
    dict

    Examples
    --------
    >>> service_root("http://host/v1.1")["value"][0]
    {'name': 'Things', 'url': 'http://host/v1.1/Things'}
    """
    settings: dict[str, Any] = {"conformance": list(CONFORMANCE)}
    if brokers:
        settings["conformance"] += [_MQTT, _UPDATES]
        for requirement in (_MQTT, _UPDATES):
            settings[requirement] = {"endpoints": list(brokers)}
    value = [{"name": name, "url": f"{root}/{name}"} for name in ENTITY_SETS]
    return {"value": value, "serverSettings": settings}
