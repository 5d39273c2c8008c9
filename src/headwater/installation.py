"""Which packages Headwater needs, and how to install those that an extra needs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires

__all__ = ["install_command", "install_hint", "requirements"]


def requirements(extra: str | None = None) -> list[str]:
    """Name the packages that Headwater needs, or that one of its extras needs on top.

    Parameters
    ----------
    extra : str, optional
        Name of the extra, such as ``"postgres"``.

    Returns
    -------
    list of str
        Such as ``"psycopg[binary]>=3.2"``; empty in a folder of sources that is not installed.

    Examples
    --------
    >>> requirements("hdf4")
    ['pyhdf>=0.11']
    """
    try:
        listed = requires("headwater") or []
    except PackageNotFoundError:
        return []
    if extra is None:
        return [entry for entry in listed if ";" not in entry]
    mark = f"extra == '{extra}'"
    return [entry.partition(";")[0].strip() for entry in listed if mark in entry.replace('"', "'")]


def install_hint(extra: str) -> str:
    """Say how to install an extra, in a command that works wherever Headwater came from.

    It names the packages themselves, since the clone or wheel that Headwater was installed from
    may be gone.

    Parameters
    ----------
    extra : str
        Name of the extra.

    Returns
    -------
    str
        A sentence with the command for the Python that runs.

    Examples
    --------
    >>> install_hint("hdf4").rpartition("-m ")[2]
    'pip install "pyhdf>=0.11"'
    """
    return f"Install it with: {install_command(requirements(extra) or [f'headwater[{extra}]'])}"


def install_command(packages: Iterable[str]) -> str:
    """Write the command that installs packages for the Python that runs.

    Parameters
    ----------
    packages : iterable of str
        As :func:`requirements` names them.

    Returns
    -------
    str

    Examples
    --------
    >>> install_command(["pyhdf>=0.11"]).rpartition("-m ")[2]
    'pip install "pyhdf>=0.11"'
    """
    names = " ".join(f'"{name}"' for name in packages)
    return f"{sys.executable} -m pip install {names}"
