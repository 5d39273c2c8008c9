"""What a study will cost, from its file alone: blocks, bytes, memory and hours by workers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from headwater.errors import ProblemsError
from headwater.settings import Settings, resolve
from headwater.study.cluster import MOST_TASKS

if TYPE_CHECKING:
    import xarray as xr

    from headwater.study.model import Study
    from headwater.study.step import Step

__all__ = ["Cost", "Estimate", "WORKERS", "estimate"]

WORKERS = (1, 10, 100, 1000)
"""Numbers of workers of one thread for which hours are given."""
_SECONDS = {
    "grids": (2.4, 20e-9),
    "variation": (3.8, 37.5e-9),
    "correlation": (1.2, 42e-9),
}
"""Of each step that spreads over workers: CPU time that is always there [s], and for each value of
its variables [s]: of daily cubes of 19 to 757 million values (docs/howto/cluster.md)."""
_TASK = 1e-3
"""What a task costs the scheduler [s], https://distributed.dask.org/en/stable/efficiency.html."""
_TASKS = 3
"""Tasks of a block: it is read, computed and written or joined with others."""
_BUNDLE = 6
"""Tasks of a bundle of blocks: itself, and what joins its sums and samples with others."""
_BASE_MB, _BLOCKS = 320.0, 20
"""Memory of a worker before it computes [MB], and blocks that it holds at its most."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step will cost.

    Attributes
    ----------
    step : str
    blocks : int
        Blocks that are read: of the inputs in the step ``grids``, else of the study grid.
    values : int
        Values in them.
    nbytes : int
        Their size before compression [bytes].
    fixed, spread : float
        CPU time that more workers do not shorten, and that they share [s].
    variables : int
        How many are read, each in a computation of its own.
    """

    step: str
    blocks: int
    values: int
    nbytes: int
    fixed: float
    spread: float
    variables: int = 1

    @property
    def tasks(self) -> int:
        """Tasks that the scheduler will have: of blocks, or of bundles of them."""
        return min(_TASKS * self.blocks, _BUNDLE * MOST_TASKS * self.variables)


@dataclass(frozen=True)
class Estimate:
    """What a study will cost.

    Attributes
    ----------
    costs : tuple of Cost
        Of the steps that spread over workers.
    others : tuple of str
        Steps of which nothing is estimated: what they compute lies mainly in the client.
    chunk_mb : float
        Size of a block in memory [MB].
    """

    costs: tuple[Cost, ...]
    others: tuple[str, ...]
    chunk_mb: float

    @cached_property
    def tasks(self) -> int:
        """Tasks that the scheduler will have."""
        return sum(cost.tasks for cost in self.costs)

    @cached_property
    def memory_mb(self) -> float:
        """Most memory of a worker of one thread [MB]."""
        return _BASE_MB + _BLOCKS * self.chunk_mb

    def hours(self, workers: int) -> float:
        """Estimate how long the steps take on so many workers of one thread.

        Parameters
        ----------
        workers : int

        Returns
        -------
        float
            In hours; at least what the scheduler needs for its tasks.

        Examples
        --------
        >>> Estimate((Cost("grids", 100, 10**8, 4 * 10**8, 60.0, 7200.0),), (), 16.0).hours(10)
        0.21666666666666667
        """
        fixed = sum(cost.fixed for cost in self.costs)
        spread = sum(cost.spread for cost in self.costs)
        return (fixed + max(spread / workers, _TASK * self.tasks)) / 3600

    def lines(self) -> Iterator[str]:
        """Say in words what the study will cost."""
        for cost in self.costs:
            yield (
                f"  {cost.step}: {cost.blocks} blocks read, "
                f"{cost.values / 1e6:.4g} million values, "
                f"{cost.nbytes / 1e9:.3g} GB before compression, "
                f"{(cost.fixed + cost.spread) / 60:.2g} CPU minutes"
            )
        yield f"Tasks: about {self.tasks}; the scheduler needs {_TASK * self.tasks:.2g} s for them"
        blocks = f"blocks of {self.chunk_mb:g} MB"
        yield f"Memory of a worker of one thread: {self.memory_mb:.0f} MB ({blocks})"
        for workers in WORKERS:
            count = f"{workers} worker{'s' if workers > 1 else ''}"
            yield f"{count:>13}: {_duration(self.hours(workers))}"
        if self.others:
            yield f"Not estimated, mainly in the client: {', '.join(self.others)}"


def _duration(hours: float) -> str:
    return f"{hours:.2g} hours" if hours >= 1 else f"{60 * hours:.2g} minutes"


def estimate(study: Study, steps: Sequence[Step], settings: Settings | None = None) -> Estimate:
    """Estimate what a study will cost, from its file and the heads of its inputs.

    Parameters
    ----------
    study : Study
    steps : sequence of Step
        All there are: :data:`headwater.chapters.STEPS`.
    settings : Settings, optional
        Size of a block; default: the study file's and the environment's.

    Returns
    -------
    Estimate

    Raises
    ------
    ProblemsError
        With all that the check of the inputs found.

    Notes
    -----
    Blocks, values and bytes are counted on the opened inputs, cut to area and period. The few
    blocks that the check looks at are not in it. Tasks are three a block, or a bundle of blocks
    (:func:`headwater.study.cluster.bundled`), and seconds those of daily cubes on one core for each
    value: both are rough. Storage slower than the cores, and workers that start late, are not in
    them.
    """
    from headwater.study.checks import survey

    chosen = settings or resolve(study.settings)
    found = survey(study, steps, chunk_mb=chosen.chunk_mb)
    if found.problems:
        raise ProblemsError(list(found.problems))
    wanted = [step for step in steps if step.name in found.steps]
    parts = {name: _part(study, data, found.period) for name, data in found.inputs.items()}
    cells = math.prod(found.grid.shape) if found.grid is not None else 0
    costs = []
    for step in wanted:
        if step.name == "grids":
            costs.append(_of_grids(parts))
        elif step.name in _SECONDS:
            costs.append(_of_variables(step.name, step.options(study) or {}, parts, cells))
    others = tuple(step.name for step in wanted if step.name not in _SECONDS)
    return Estimate(tuple(costs), others, chosen.chunk_mb)


def _part(study: Study, data: xr.DataArray, period: Any) -> xr.DataArray:
    """Cut an input to what the study reads of it."""
    from headwater.grids import clip
    from headwater.grids.times import in_period
    from headwater.study.inputs import read_study_area

    area = read_study_area(study)
    within = in_period(data, period)
    return within if area is None else clip(within, area, margin=1)


def _of_grids(parts: Mapping[str, xr.DataArray]) -> Cost:
    blocks = sum(math.prod(map(len, part.chunks or ())) for part in parts.values())
    values = sum(part.size for part in parts.values())
    nbytes = sum(part.nbytes for part in parts.values())
    fixed, each = _SECONDS["grids"]
    return Cost("grids", blocks, values, nbytes, fixed, each * values, len(parts))


def _of_variables(
    name: str, options: Mapping[str, Any], parts: Mapping[str, xr.DataArray], cells: int
) -> Cost:
    """Count a step that reads cubes on the study grid once, in the blocks of their inputs."""
    given = options.get("of") or ()
    chosen = {given} if isinstance(given, str) else set(given)
    chosen |= set(options.get("with") or ())
    moving = {
        key: part
        for key, part in parts.items()
        if part.sizes.get("time", 1) > 1 and (not chosen or key in chosen)
    }
    values = sum(part.sizes["time"] * cells for part in moving.values())
    blocks = sum(math.prod(map(len, part.chunks or ())) for part in moving.values())
    nbytes = sum(part.sizes["time"] * cells * part.dtype.itemsize for part in moving.values())
    fixed, each = _SECONDS[name]
    return Cost(name, blocks, values, nbytes, fixed, each * values, len(moving))
