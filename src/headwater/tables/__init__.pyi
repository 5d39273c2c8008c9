from .cells import Cells, Row, read_cells
from .numbers import Numbers, parse_numbers
from .options import ReadingOptions, parse_options
from .read import Table, read_table
from .report import LeftOut, MissingCode, ReadingReport, Recognised
from .text import Text, decode, read_text
from .times import Times, parse_times
from .vocabulary import FIELDS, Field, fields_named

__all__ = [
    "FIELDS",
    "Cells",
    "Field",
    "LeftOut",
    "MissingCode",
    "Numbers",
    "ReadingOptions",
    "ReadingReport",
    "Recognised",
    "Row",
    "Table",
    "Text",
    "Times",
    "decode",
    "fields_named",
    "parse_numbers",
    "parse_options",
    "parse_times",
    "read_cells",
    "read_table",
    "read_text",
]
