"""Real servers that journeys share, started once for each worker and stopped at its end."""

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "private_postgresql", Path(__file__).with_name("_postgres.py")
)
private = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(private)


@pytest.fixture(scope="session")
def postgresql():
    """A private PostgreSQL server; its `database(name)` makes an empty data base."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if private.binaries() is None:
        pytest.skip("no PostgreSQL server is installed on this machine")
    with private.cluster() as server:
        yield server
