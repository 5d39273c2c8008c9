"""The observation network: stations, what they observe, and where it is kept.

Keep it
    ``open_store`` opens a ``Store``, one SQLite file or a PostgreSQL data base; ``back_up`` and
    ``restore`` copy one with its archive.
Take observations in
    ``read_mapping`` and ``read_file`` read what a logger wrote, ``load_reading`` writes it to the
    store; ``Observations`` are the columns themselves.
Control them
    ``control_store`` flags what is new, ``flag_series`` one series without a store; ``Flag`` lists
    the findings.
Look at them, and compute with them
    ``list_series``, ``series_status``, ``write_export``; ``station_means`` averages by interval
    and ``derive`` writes daily means, storage and network means next to their sources.
Times
    ``iso`` and ``microseconds`` turn whole microseconds of UTC into text and back.

What these are made of lives in the rooms ``store``, ``ingest``, ``quality``, ``derived`` and
``sensorthings``, which are imported when first named.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
