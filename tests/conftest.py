"""How the suite runs: threads of linear algebra, and how many examples a property tries."""

import os

from hypothesis import settings

# The workers of the suite are as many as the cores, so that threads of linear algebra on top only
# wait for each other; set before NumPy is imported, and for the programs that the tests start.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# Each program that the tests start would compile the whole package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# HEADWATER_EXAMPLES=300 make test looks longer for what breaks a property
EXAMPLES = int(os.environ.get("HEADWATER_EXAMPLES", "25"))
settings.register_profile("headwater", max_examples=EXAMPLES, deadline=None)
settings.load_profile("headwater")
