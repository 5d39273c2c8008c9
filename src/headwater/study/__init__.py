"""One study file composes the rooms: steps, resume, provenance.

Read and check it
    :func:`read_study` reads a file and :func:`parse_study` its text into a :class:`Study`;
    :func:`check` finds every problem before anything is computed.
Compute it
    :func:`run` goes through the steps and resumes where it was interrupted.
Keep results
    :func:`save_result`, :func:`load_result`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
