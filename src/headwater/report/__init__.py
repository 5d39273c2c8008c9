"""The report: figures, tables and words from result values, as one page without network.

:func:`write_report` writes it from a results folder, with every figure and table as a file.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
