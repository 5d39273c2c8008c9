"""Tables as people have them: one reader for samples, stations, factors and claims.

:func:`read_table` gives a table whose report says what was recognised, assumed and left out;
:class:`ReadingOptions` settles what a file leaves open.

The single steps are in :mod:`headwater.tables.text` (encodings), :mod:`headwater.tables.cells`
(separators, workbooks), :mod:`headwater.tables.numbers` and :mod:`headwater.tables.times`; the
names of columns in :mod:`headwater.tables.vocabulary`.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
