"""Tables as people have them: one reader for samples, stations, factors and claims.

- A table: :func:`read_table` gives a :class:`Table` whose :class:`ReadingReport` says what was
  recognised, assumed and left out; :class:`ReadingOptions` settles what a file leaves open
  (:func:`parse_options` reads them from a command line).
- What columns are called: :class:`Field`, :data:`FIELDS`, :func:`fields_named`.
- Single steps: :func:`read_text` (encodings), :func:`read_cells` (separators, workbooks),
  :func:`parse_numbers`, :func:`parse_times`.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
