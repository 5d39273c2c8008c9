"""The observation network: stations, what they observe, and where it is kept.

- :mod:`headwater.network.entities`: Thing, Datastream, Observation … as frozen values
- :mod:`headwater.network.times`: ISO 8601 at the edge, whole microseconds of UTC inside
- :mod:`headwater.network.store`: one SQLite file or a PostgreSQL server behind one protocol

Rooms within this room are imported when first named, so that ``import headwater`` costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
