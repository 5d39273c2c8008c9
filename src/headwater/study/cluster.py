"""Where the blocks of a study are computed, and many small tasks as few large ones."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from graphlib import TopologicalSorter
from importlib import import_module
from types import MethodType
from typing import TYPE_CHECKING, Any, Self

from headwater.errors import ClusterError
from headwater.installation import install_hint
from headwater.settings import cluster_client
from headwater.storage import is_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from headwater.settings import Settings

__all__ = [
    "Cluster",
    "MOST_TASKS",
    "blocks_that_kill",
    "bundled",
    "each",
    "lost_errors",
    "most_tasks",
]

_PATIENCE = 60
"""How long a scheduler that was lost, or a first worker, is waited for [s]."""
_ANSWER = 10
"""How long a scheduler may take to answer at first [s]."""
_BLOCKS = 10
"""Blocks that a worker must have room for: beyond a tenth of it, memory outruns spilling
(https://github.com/dask/distributed/issues/6110)."""
_SAME = ("headwater", "dask", "distributed", "numpy", "numba", "xarray", "zarr", "cloudpickle")
"""Packages whose versions must agree, or values would change with the worker, or not travel."""
_CREDENTIALS = ("AWS_", "AZURE_", "GOOGLE_", "FSSPEC_", "GS_")
"""Beginnings of the variables by which object storage is reached."""
MOST_TASKS = 2048
"""Bundles of one computation of any size: what a scheduler bears, and workers share."""
_BUNDLES = 8
"""Bundles for each thread: few enough to cost little, and enough to share out."""
_INPUTS = 8
"""Results of other tasks that all tasks of a bundle may need, such as weights."""
_OUTPUTS = 64
"""Results that a bundle may keep in memory for tasks outside of it."""
_LITERAL = 100_000
"""Constants up to this size travel with each bundle that needs them [bytes]."""


class Cluster:
    """Threads of this process, or the client of a Dask scheduler; it can be renewed when lost.

    Parameters
    ----------
    settings : Settings
        A scheduler's address wins over a number of local worker processes, that over a client of
        Dask that is open in this session, and that over threads of this process.
    paths : iterable of str
        Files and folders that all workers must see: inputs and results.

    Attributes
    ----------
    about : str
        What computes, for the log and the command line.
    spread : bool
        Whether other processes compute.

    Raises
    ------
    ClusterError
        On entering, if the scheduler does not answer, has no worker, or its workers lack the
        package, have other versions, too little memory, or do not see the paths.

    Examples
    --------
    >>> from headwater.settings import Settings
    >>> with Cluster(Settings(threads=2)) as cluster:
    ...     cluster.about
    '2 threads'
    """

    def __init__(self, settings: Settings, paths: Iterable[str] = ()) -> None:
        self._settings = settings
        self._paths = tuple(paths)
        self._open = ExitStack()
        self.about = ""
        self.spread = False

    def __enter__(self) -> Self:
        try:
            self._connect(_ANSWER)
        except BaseException:
            # who is refused on entering is not left: end the processes that were started
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def renew(self) -> None:
        """Connect again after the scheduler was lost, waiting for it for a minute.

        Raises
        ------
        ClusterError
            If it does not come back.
        """
        self._open.close()
        self._connect(_PATIENCE)

    def _connect(self, patience: float) -> None:
        import dask
        import dask.threaded

        chosen = self._settings
        ambient = None if chosen.scheduler or chosen.workers else _ambient()
        spread = chosen.scheduler or chosen.workers or ambient
        if not spread or chosen.scheduler == "threads":
            self._open.enter_context(
                dask.config.set(scheduler=dask.threaded.get, num_workers=chosen.threads)
            )
            self.about = f"{chosen.threads} thread{'s' if chosen.threads > 1 else ''}"
            return
        client = ambient or self._open.enter_context(
            _client_of(chosen.scheduler, patience) if chosen.scheduler else _local(chosen.workers)
        )
        self.spread = True
        self._open.enter_context(client.as_current())
        self._open.enter_context(dask.config.set(scheduler=MethodType(_get, client)))
        workers = _workers(client, patience)
        _check_versions(client)
        _check_memory(workers, chosen.chunk_mb)
        _lend_credentials(client)
        _check_paths(client, self._paths)
        where = chosen.scheduler or ("the cluster of this session" if ambient else "this machine")
        count = f"{len(workers)} worker{'s' if len(workers) > 1 else ''}"
        # without Bokeh there is no dashboard
        link = f"; dashboard {client.dashboard_link}" if client.dashboard_link else ""
        self.about = f"{count} on {where}{link}"


def each(act: Callable[[Any], Any], parts: Iterable[Any]) -> Iterator[Any]:
    """Apply a function to parts of a grid: here, or on the workers of the cluster of this run.

    Parameters
    ----------
    act : callable
        ``act(part)``: a function of a module, or a partial one that holds what all parts need;
        lazy data in it are read by each part, so that none travel.
    parts : iterable
        Slices, or numbers of cells.

    Yields
    ------
    object
        What `act` returns, in the order of the parts.

    Examples
    --------
    >>> list(each(abs, [-2, 3]))
    [2, 3]
    """
    client = cluster_client()
    if client is None:
        yield from map(act, parts)
        return
    held = client.submit(_same, act, pure=False)
    ahead = 2 * most_tasks(sum(client.nthreads().values()))
    futures: deque[Any] = deque()
    for part in parts:
        futures.append(client.submit(_apart, held, part, pure=False))
        # what is done and not yet taken lies in the memory of workers
        if len(futures) > ahead:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


def _same(value: Any) -> Any:
    return value


def _apart(act: Callable[[Any], Any], part: Any) -> Any:
    """Do a part within one task of one thread: what is lazy in it is not spread once more."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        return act(part)


def lost_errors() -> tuple[type[BaseException], ...]:
    """Name the errors by which a lost scheduler shows; none where Dask is not distributed."""
    if sys.modules.get("distributed") is None:
        return ()
    from asyncio import CancelledError as Stopped
    from concurrent.futures import CancelledError

    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    return (CancelledError, Stopped, FutureCancelledError, CommClosedError, TimeoutError)


def _get(client: Any, graph: Any, keys: Any, **options: Any) -> Any:
    """Compute a graph on a cluster, in few tasks; a method of its client, as xarray looks for."""
    tasks = graph if isinstance(graph, dict) else graph.__dask_graph__()
    threads = sum(client.nthreads().values())
    return client.get(bundled(tasks, keys, most_tasks(threads)), keys, **options)


def most_tasks(threads: int) -> int:
    """Give the number of bundles into which a computation on so many threads is made.

    Examples
    --------
    >>> most_tasks(2), most_tasks(1000)
    (16, 2048)
    """
    return min(max(_BUNDLES * threads, _BUNDLES), MOST_TASKS)


@contextmanager
def blocks_that_kill(chunk_mb: float) -> Iterator[None]:
    """Say in a sentence that a block has ended every worker that tried it."""
    if sys.modules.get("distributed") is None:
        yield
        return
    from distributed.scheduler import KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise ClusterError(
            "a block of the study ends every worker that computes it",
            found=str(error).splitlines()[0][:200],
            do=f"Most often it is memory: give smaller blocks (--chunk-mb {chunk_mb / 4:g}), or "
            "workers with more memory; their logs say more",
        ) from error


def _distributed() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise ClusterError(
            "other processes cannot be used",
            found="the package distributed is not installed",
            do=install_hint("cluster") + ", or compute in threads: --threads N",
        ) from error


def _ambient() -> Any:
    """Find the client that a session has opened, as notebooks of clusters do."""
    if sys.modules.get("distributed") is None:
        return None
    try:
        return _distributed().default_client()
    except ValueError:
        return None


def _client_of(address: str, patience: float) -> Any:
    distributed = _distributed()
    try:
        return distributed.Client(address, timeout=patience)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            "the scheduler does not answer",
            found=f"{address}: {(str(error).splitlines() or [type(error).__name__])[0][:160]}",
            do="Start it (dask scheduler), or correct its address; without --scheduler the study "
            "runs on this machine",
        ) from error


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    """Start processes of one thread each, since kernels and libraries then never compete."""
    distributed = _distributed()
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _workers(client: Any, patience: float) -> Mapping[str, Any]:
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError as error:
        raise ClusterError(
            "the scheduler has no workers",
            found=f"none within {patience:g} s at {client.scheduler.address}",
            do="Start some: dask worker " + str(client.scheduler.address),
        ) from error
    found: Mapping[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return found


def _check_versions(client: Any) -> None:
    """Compare packages ourselves: Dask's own check only warns (distributed#7017)."""
    read = _version_reader()
    ours = read(_SAME)
    differences = [
        f"{address} has {name} {theirs[name] or 'not at all'}, here {own}"
        for address, theirs in client.run(read, _SAME).items()
        for name, own in ours.items()
        if own and theirs[name] != own
    ]
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise ClusterError(
            "workers that would not compute the same",
            found="; ".join(differences[:3]) + more,
            do="Install the same versions on client, scheduler and workers: pip freeze here, "
            "pip install -r there",
        )


def _version_reader() -> Callable[[Sequence[str]], dict[str, str]]:
    """Make a function that travels as code, since a worker may lack the package."""

    def read(names: Sequence[str]) -> dict[str, str]:
        import sys
        from importlib import import_module

        found = {"python": ".".join(map(str, sys.version_info[:2]))}
        for name in names:
            try:
                found[name] = str(getattr(import_module(name), "__version__", "?"))
            except ImportError:
                found[name] = ""
        return found

    return read


def _check_memory(workers: Mapping[str, Any], chunk_mb: float) -> None:
    limits = {address: facts["memory_limit"] for address, facts in workers.items()}
    small = {address: limit for address, limit in limits.items() if limit > 0}
    needed = _BLOCKS * chunk_mb * 1e6
    address = min(small, key=small.__getitem__, default=None)
    if address is not None and small[address] < needed:
        raise ClusterError(
            "too little memory for the blocks of this study",
            found=f"worker {address} may use {small[address] / 1e6:.0f} MB, and {_BLOCKS} blocks "
            f"of {chunk_mb:g} MB must fit",
            do=f"Give smaller blocks (--chunk-mb {small[address] / 1e6 / _BLOCKS:.2g}), or fewer "
            "workers with more memory each",
        )


def _check_paths(client: Any, paths: Iterable[str]) -> None:
    """See that all workers find inputs and results, since each reads and writes its own blocks."""
    for path in paths:
        blind = [at for at, there in client.run(is_there, path).items() if not there]
        if blind:
            more = f" and {len(blind) - 1} more" if len(blind) > 1 else ""
            raise ClusterError(
                "workers that do not see the files of the study",
                found=f"{path} is not on {blind[0]}{more}",
                do="Keep inputs and results on storage that client and workers share, under one "
                "path; let workers reach inputs by URL with the credentials of their environment",
            )


def _lend_credentials(client: Any) -> None:
    """Give workers the variables by which this session reaches object storage."""
    ours = {name: text for name, text in os.environ.items() if name.startswith(_CREDENTIALS)}
    if ours:
        client.run(os.environ.update, ours)


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
