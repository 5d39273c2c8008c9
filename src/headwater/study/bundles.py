"""Many small tasks as few large ones, so that a scheduler can bear studies of terabytes."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping
from graphlib import TopologicalSorter
from typing import Any

__all__ = ["MOST_TASKS", "bundled"]

MOST_TASKS = 2048
"""Bundles of one computation of any size: what a scheduler bears, and workers share."""

_INPUTS = 8
"""Results of other tasks that all tasks of a bundle may need, such as weights."""
_OUTPUTS = 64
"""Results that a bundle may keep in memory for tasks outside of it."""
_LITERAL = 100_000
"""Constants up to this size travel with each bundle that needs them [bytes]."""


def bundled(graph: Mapping[Any, Any], keys: Collection[Any], most: int) -> dict[Any, Any]:
    """Join tasks that read and reduce neighbouring blocks to tasks that do so one after another.

    Parameters
    ----------
    graph : mapping
        A Dask graph.
    keys : collection
        Of the results wanted.
    most : int
        Number of blocks read beyond which they are bundled, and of bundles that are made of them.

    Returns
    -------
    dict
        A graph with the same results. Neighbouring blocks are read by one of at most `most`
        bundles. A task belongs to the bundle of all blocks that it is made of, or to none where it
        joins blocks of several. What a bundle holds at a time is what Dask would hold with one
        thread. Bundles that would have to keep many results for others, as where data are
        shuffled, are not made.

    Examples
    --------
    >>> import dask.array as da
    >>> total = da.ones(1000, chunks=1).map_blocks(abs).sum()
    >>> graph = bundled(total.__dask_graph__(), [total.__dask_keys__()], most=10)
    >>> len(graph) < 30
    True
    """
    from dask._task_spec import DataNode, convert_legacy_graph

    tasks = convert_legacy_graph(dict(graph))
    light = {key for key, node in tasks.items() if isinstance(node, DataNode) and _is_light(node)}
    needs = {key: node.dependencies - light for key, node in tasks.items() if key not in light}
    fan = Counter(need for wants in needs.values() for need in wants)
    roots = [
        key
        for key, wants in needs.items()
        if not wants and fan[key] <= _INPUTS and not isinstance(tasks[key], DataNode)
    ]
    if len(roots) <= most:
        return dict(tasks)
    return _joined(tasks, needs, _homes(needs, roots, most), _flat(keys))


def _flat(keys: Any) -> set[Any]:
    return set().union(*map(_flat, keys)) if isinstance(keys, list) else {keys}


def _is_light(node: Any) -> bool:
    from dask.sizeof import sizeof

    return bool(sizeof(node.value) <= _LITERAL)


def _homes(
    needs: Mapping[Any, Collection[Any]], roots: Collection[Any], most: int
) -> dict[Any, int]:
    """Find the bundle of each task, and none of tasks that join several."""
    home = _places(roots, most)
    for key in TopologicalSorter(needs).static_order():
        homes = {home.get(need) for need in needs[key] if needs[need] or need in home}
        if key not in home and len(homes) == 1 and (one := homes.pop()) is not None:
            home[key] = one
    return home


def _places(roots: Collection[Any], most: int) -> dict[Any, int]:
    """Divide blocks by place, and those of a place by time: the axis that has most of them."""
    at = {key: key[1:] if isinstance(key, tuple) else (0,) for key in roots}
    axes = {}
    for rank in {len(one) for one in at.values()}:
        own = zip(*(one for one in at.values() if len(one) == rank), strict=True)
        counts = [len(set(axis)) for axis in own]
        axes[rank] = counts.index(max(counts))
    columns: defaultdict[Any, defaultdict[Any, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for key, one in at.items():
        axis = axes[len(one)]
        columns[(len(one), *one[:axis], *one[axis + 1 :])][one[axis]].append(key)
    longest = max(map(len, columns.values()))
    wanted = -(-sum(map(len, columns.values())) // most)
    # Dask adds up in trees whose branches have 2 or 16 leaves
    length = 2 ** math.ceil(math.log2(wanted))
    beside = max(1, wanted // longest)
    home: dict[Any, Any] = {}
    for number, column in enumerate(sorted(columns)):
        for rank, time in enumerate(sorted(columns[column])):
            place = (number // beside, rank // length)
            home |= dict.fromkeys(columns[column][time], place)
    numbers = {place: number for number, place in enumerate(dict.fromkeys(home.values()))}
    return {key: numbers[place] for key, place in home.items()}


def _joined(
    tasks: Mapping[Any, Any], needs: Mapping[Any, Any], home: Mapping[Any, int], wanted: set[Any]
) -> dict[Any, Any]:
    """Make one task of each bundle, as long as it keeps few results."""
    from dask._task_spec import Task, TaskRef

    members: defaultdict[int, list[Any]] = defaultdict(list)
    for key, number in home.items():
        members[number].append(key)
    used = defaultdict(set)
    for key, wants in needs.items():
        for need in wants:
            used[need].add(home.get(key))
    found, moved = dict(tasks), dict[Any, Any]()
    for number, inside in members.items():
        kept = [key for key in inside if key in wanted or used[key] - {number}]
        outer = list(dict.fromkeys(n for k in inside for n in needs[k] if home.get(n) != number))
        if len(inside) < 2 or len(kept) > _OUTPUTS or len(outer) > _INPUTS:
            continue
        inner = {key: tasks[key] for key in inside}
        inner |= {need: tasks[need] for k in inside for need in tasks[k].dependencies - needs[k]}
        name = (f"bundle-{kept[0] if isinstance(kept[0], str) else kept[0][0]}", number)
        for key in inside:
            del found[key]
        found[name] = Task(name, _run, inner, kept, outer, *map(TaskRef, outer))
        moved |= dict.fromkeys(kept, name)
    served = _served(found, needs, moved)
    asked = {key: Task(key, _pick, TaskRef(moved[key]), key) for key in wanted & moved.keys()}
    return found | served | asked


def _served(
    found: Mapping[Any, Any], needs: Mapping[Any, Any], moved: Mapping[Any, Any]
) -> dict[Any, Any]:
    """Let tasks outside take what they need of each bundle, all of it in one parcel."""
    from dask._task_spec import Task, TaskRef

    served = {}
    for key in found.keys() & needs.keys():
        parcels = defaultdict(list)
        for need in needs[key] & moved.keys():
            parcels[moved[need]].append(need)
        if not parcels:
            continue
        names = []
        for bundle, parts in parcels.items():
            names.append((f"parcel-{bundle[0]}-{bundle[1]}", str(key)))
            served[names[-1]] = Task(names[-1], _parcel, TaskRef(bundle), parts)
        rest = [need for need in found[key].dependencies if need not in moved]
        refs = [*map(TaskRef, names), *map(TaskRef, rest)]
        served[key] = Task(key, _unpack, [found[key]], len(names), rest, *refs)
    return served


def _parcel(results: Mapping[Any, Any], keys: Collection[Any]) -> dict[Any, Any]:
    return {key: results[key] for key in keys}


def _unpack(task: list[Any], parcels: int, keys: Collection[Any], *given: Any) -> Any:
    """Do a task with what has come in parcels, and by itself."""
    values = dict(zip(keys, given[parcels:], strict=True))
    for parcel in given[:parcels]:
        values |= parcel
    return task[0](values)


def _run(
    inner: Mapping[Hashable, Any], kept: Collection[Any], outer: Collection[Any], *given: Any
) -> dict[Any, Any]:
    """Work through the tasks of a bundle in one thread, letting go of each result when used."""
    from dask._task_spec import DataNode
    from dask.local import get_sync

    graph = {
        **inner,
        **{key: DataNode(key, value) for key, value in zip(outer, given, strict=True)},
    }
    return dict(zip(kept, get_sync(graph, list(kept)), strict=True))


def _pick(results: Mapping[Any, Any], key: Any) -> Any:
    return results[key]
