"""How the suite runs: which worker gets which test, and how many examples a property tries."""

import os

import pytest
from hypothesis import settings

# The workers of the suite are as many as the cores, so that threads of linear algebra on top only
# wait for each other; set before NumPy is imported, and for the programs that the tests start.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# HEADWATER_EXAMPLES=300 make test looks longer for what breaks a property
EXAMPLES = int(os.environ.get("HEADWATER_EXAMPLES", "25"))
settings.register_profile("headwater", max_examples=EXAMPLES, deadline=None)
settings.load_profile("headwater")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give all tests of a file to one worker, so that what they share is made once."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None and item.path.suffix == ".py":
            place = item.path.relative_to(config.rootpath)
            if place.parts[0] == "tests":
                item.add_marker(pytest.mark.xdist_group(place.as_posix()))
