from .derived.interval_means import station_means
from .derived.write import derive
from .entities import Observations
from .ingest.formats import read_file
from .ingest.load import load_reading
from .ingest.mapping import read_mapping
from .inventory import list_series
from .overview import series_status, write_export
from .quality.control import flag_series
from .quality.flags import Flag
from .quality.run import control_store
from .store.backup import back_up, restore
from .store.open import open_store
from .store.protocol import Store
from .times import iso, microseconds

__all__ = [
    "Flag",
    "Observations",
    "Store",
    "back_up",
    "control_store",
    "derive",
    "flag_series",
    "iso",
    "list_series",
    "load_reading",
    "microseconds",
    "open_store",
    "read_file",
    "read_mapping",
    "restore",
    "series_status",
    "station_means",
    "write_export",
]
