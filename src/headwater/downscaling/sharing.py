"""Cubes in files, which several processes read, and days that these share out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["OnDisk", "Sharing", "blocks_of_days", "in_threads"]

Apply = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


class OnDisk:
    """A cube in a NumPy file, of which each process reads the days that it needs.

    Parameters
    ----------
    path : Path
        Of a file of :func:`numpy.save`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = Sharing(Path(folder), map).keep(np.arange(6.0).reshape(3, 2))
    ...     kept.shape, kept[1].tolist()
    ((3, 2), [2.0, 3.0])
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        values = self._mapped()
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, values.dtype

    def _mapped(self) -> NDArray[Any]:
        found: NDArray[Any] = np.load(self.path, mmap_mode="r")
        return found

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, where: Any) -> NDArray[Any]:
        return np.array(self._mapped()[where])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._mapped(), dtype=dtype)


@dataclass(frozen=True, slots=True)
class Sharing:
    """How other processes take part.

    Attributes
    ----------
    folder : Path
        That all of them see; what is kept there is removed by who made it.
    apply : callable
        ``apply(function, parts)`` runs the parts on them, and gives results in order.
    """

    folder: Path
    apply: Apply

    def keep(self, values: ArrayLike) -> OnDisk:
        """Put a cube in a file; what has been put there before is not put twice."""
        if isinstance(values, OnDisk):
            return values
        whole = np.ascontiguousarray(values)
        mark = hashlib.blake2b(whole.view(np.uint8).data, digest_size=12)
        mark.update(repr((whole.shape, str(whole.dtype))).encode())
        path = self.folder / f"{mark.hexdigest()}.npy"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            np.save(path, whole)
        return OnDisk(path)


def in_threads(workers: int) -> Apply:
    """Run parts in threads of this process.

    Examples
    --------
    >>> list(in_threads(2)(abs, [-1, 2]))
    [1, 2]
    """

    def apply(act: Callable[[Any], Any], parts: Sequence[Any]) -> Iterator[Any]:
        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(act, parts)

    return apply


def blocks_of_days(days: NDArray[np.integer], length: int) -> list[NDArray[np.integer]]:
    """Divide days into blocks.

    Examples
    --------
    >>> [block.tolist() for block in blocks_of_days(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    return [days[first : first + length] for first in range(0, days.size, length)]
