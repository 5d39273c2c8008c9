"""The chapters of a study: one folder each for its options, its step and its section of the report.

A folder bears the name of its table in the study file, of its folder of results and of its chapter.
:data:`STEPS` are handed to :func:`headwater.study.run` and :data:`SECTIONS` to
:func:`headwater.report.write_report`, which know no chapter themselves.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
