"""The SensorThings 1.1 service over a store: query, create, change, delete, over HTTP and MQTT.

:class:`Service` answers the calls of :mod:`headwater.network.sensorthings.messages`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
