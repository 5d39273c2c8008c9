"""Zarr stores by URL, read patiently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from zarr.storage import FsspecStore, WrapperStore

from headwater.storage import Tries, plain_errors

__all__ = ["PatientStore", "zarr_store"]

_T = TypeVar("_T")


class PatientStore(WrapperStore[Any]):
    """As the store that it wraps; reads are tried again (:class:`headwater.storage.Tries`).

    A chunk that storage says is not there is missing values by Zarr's rule; one that storage does
    not give is an error.
    """

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Open the store at a URL for reading."""
        return cls(FsspecStore.from_url(url, read_only=True))

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Read a value, or None where there is none."""
        return await _patiently(lambda: self._store.get(key, prototype, byte_range))

    async def exists(self, key: str) -> bool:
        """Whether there is such a key."""
        return bool(await _patiently(lambda: self._store.exists(key)))


async def _patiently(act: Callable[[], Awaitable[_T]]) -> _T:
    tries = Tries()
    while True:
        try:
            return await act()
        except Exception as error:
            await asyncio.sleep(tries.pause_after(error))


def zarr_store(path: Path) -> PatientStore:
    """Open the store of a Zarr hierarchy by URL."""
    with plain_errors(str(path)):
        return PatientStore.from_url(str(path))
