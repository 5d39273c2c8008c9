"""Ways in for observations: files of loggers and archives, folders, brokers, other services.

Every reader returns a :class:`~headwater.network.ingest.parsed_file.Reading`, which reports for
each line whether it was kept; :func:`~headwater.network.ingest.load.load_reading` writes it.
"""
