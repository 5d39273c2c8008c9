from .csv_mapping import read_csv
from .folder import watch
from .formats import read
from .geojson import read_geojson
from .ismn import read_ismn, read_ismn_archive
from .load import Loaded, load
from .mapping import Mapping, read_mapping
from .mqtt import subscribe
from .reading import Place, Reading, Refused, Series
from .sensorthings_pull import pull
from .toa5 import read_toa5

__all__ = [
    "Loaded",
    "Mapping",
    "Place",
    "Reading",
    "Refused",
    "Series",
    "load",
    "pull",
    "read",
    "read_csv",
    "read_geojson",
    "read_ismn",
    "read_ismn_archive",
    "read_mapping",
    "read_toa5",
    "subscribe",
    "watch",
]
