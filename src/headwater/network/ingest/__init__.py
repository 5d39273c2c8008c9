"""Ways in for observations: files of loggers and archives, folders, brokers, other services.

Every reader gives a :class:`~headwater.network.ingest.reading.Reading`, which tells of each line
whether it was kept, and :func:`~headwater.network.ingest.load.load` writes it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
