"""The observation network: stations, what they observe, and where it is kept.

Keep it
    :func:`open_store` opens one SQLite file or a PostgreSQL data base;
    :mod:`headwater.network.store.backup` copies one with its archive.
Take observations in
    :func:`read_mapping` and :func:`read_file` read what a logger wrote, :func:`load_reading` writes
    it to the store.
Control them
    :func:`control_store` flags what is new, :func:`flag_series` one series without a store.
Look at them, and compute with them
    :func:`list_series`; :func:`station_means` averages by interval and :func:`derive` writes daily
    means, storage and network means next to their sources.

What these are made of lives in the rooms ``store``, ``ingest``, ``quality``, ``derived`` and
``sensorthings``, which are imported when first named.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
