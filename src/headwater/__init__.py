"""How much water a mountain's soil holds, how it changes, what drives it, where it came from.

The rooms, in the direction in which data goes:

- :mod:`headwater.tables`: tables as people have them, with a report of how they were read
- :mod:`headwater.grids`: open, check, clip and align grids; terrain; bands; cell areas; writing
- :mod:`headwater.inference`: how sure we are
- :mod:`headwater.variation`: how soil moisture changes in time and space
- :mod:`headwater.detector`: what drives it (geographical detector)
- :mod:`headwater.isotopes`: where the water came from
- :mod:`headwater.downscaling`: satellite soil moisture made finer, with its error
- :mod:`headwater.validation`: products compared with stations and with each other
- :mod:`headwater.network`: the observation network; :mod:`headwater.web` serves it
- :mod:`headwater.vegetation`: what soil water lets grow, and where it is degrading
- :mod:`headwater.warning`: drought and degradation, with a chosen rate of false alarms
- :mod:`headwater.restoration`: when, where, what, and whether the water carries it
- :mod:`headwater.alerts`: alerts over the stations, and ways to people
- :mod:`headwater.virtual`: a virtual headwater with known truth
- :mod:`headwater.study`: one file composes them; :mod:`headwater.chapters`: what it can ask for;
  :mod:`headwater.report` draws the results

Rooms are imported when first named, so ``import headwater`` costs nothing.
"""

import sys

# a copy of the sources has no installer that refuses; what is imported below may be missing, too
if sys.version_info < (3, 11):  # noqa: UP036
    _found = ".".join(map(str, sys.version_info[:3]))
    # a sentence alone where a person has started the program
    _error = SystemExit if sys.argv[:1] == ["-m"] else ImportError
    raise _error(
        f"Headwater needs Python 3.11 or newer. Found: {_found} ({sys.executable}). Make an "
        "environment with a newer one, as: python3.12 -m venv .venv"
    )

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
