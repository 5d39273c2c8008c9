from .derived.interval_means import station_means
from .derived.write import derive
from .ingest.formats import read_file
from .ingest.load import load_reading
from .ingest.mapping import read_mapping
from .inventory import list_series
from .quality.control import flag_series
from .quality.run import control_store
from .store.open import open_store

__all__ = [
    "control_store",
    "derive",
    "flag_series",
    "list_series",
    "load_reading",
    "open_store",
    "read_file",
    "read_mapping",
    "station_means",
]
