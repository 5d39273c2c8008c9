"""The network on the web: SensorThings over HTTP.

:func:`create_app` makes the application over a store, which any ASGI server runs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
