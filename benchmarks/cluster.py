"""A study on a cluster of two workers: `python -m benchmarks.cluster [days rows columns]`."""

from __future__ import annotations

import heapq
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from benchmarks.large_study import COLUMNS, DAYS, ROWS, write

STEPS = ("grids", "variation", "correlation")
FACTOR = 1.5
QUIET = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TICKS = os.sysconf("SC_CLK_TCK")


class Counter:
    """A plugin of the scheduler that counts the tasks that it has finished."""

    name = "counter"
    idempotent = True
    done = 0

    def transition(self, key: object, start: str, finish: str, *_: object, **__: object) -> None:
        self.done += start == "processing" and finish == "memory"


def counter() -> object:
    from distributed.diagnostics.plugin import SchedulerPlugin

    return type("Counting", (Counter, SchedulerPlugin), {})()


def use_of(pid: int) -> dict[str, float]:
    """CPU time [s], peak of memory [MB] and bytes read, files and all, of a living process [MB]."""
    home = Path(f"/proc/{pid}")
    fields = (home / "stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in (home / "status").read_text().splitlines())
    read = dict(line.split(": ") for line in (home / "io").read_text().splitlines())
    return {
        "cpu": (int(fields[11]) + int(fields[12])) / TICKS,
        "peak": int(status["VmHWM"].split()[0]) / 1e3,
        "read": int(read["rchar"]) / 1e6,
    }


def headwater(study: Path, step: str, *options: str) -> dict[str, float]:
    """Run a study up to a step; return what its own process used, and the time that passed."""
    words = ["-m", "headwater", "run", str(study), "--no-report", "--until", step, *options]
    begun, last = time.perf_counter(), {}
    process = subprocess.Popen(
        [sys.executable, *words], env=QUIET, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.05)
        try:
            last = use_of(process.pid)
        except (OSError, KeyError):  # it has just ended
            continue
    if process.wait():
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
    return last | {"wall": time.perf_counter() - begun}


@contextmanager
def cluster(count: int) -> Iterator[tuple[str, int, list[int]]]:
    """Start a scheduler and workers of one thread; give its address and all process numbers."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    here = ("--host", "127.0.0.1", "--no-dashboard")
    address, started = f"tcp://127.0.0.1:{port}", []
    commands = [["scheduler", *here, "--port", port, "--no-show"]]
    commands += [["worker", address, *here, "--nthreads", "1", "--no-nanny"]] * count
    with ExitStack() as stack:
        for name, *words in commands:
            command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *words]
            process = subprocess.Popen(
                command, env=QUIET, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.send_signal, signal.SIGKILL)
            started.append(process.pid)
        yield address, started[0], started[1:]


def spread(study: Path, count: int) -> dict[str, dict[str, float]]:
    """Run a study on workers, step by step: use of the client, the scheduler and the workers."""
    from distributed import Client

    used = {}
    with cluster(count) as (address, scheduler, workers), Client(address, timeout=60) as client:
        client.wait_for_workers(count, timeout=60)
        client.register_plugin(counter())

        def state() -> dict[str, float]:
            done = client.run_on_scheduler(
                lambda dask_scheduler: dask_scheduler.plugins["counter"].done
            )
            own = [use_of(pid) for pid in workers]
            return {
                "tasks": done,
                "scheduler": use_of(scheduler)["cpu"],
                "cpu": sum(one["cpu"] for one in own),
                "read": sum(one["read"] for one in own),
                "peak": max(one["peak"] for one in own),
            }

        for step in STEPS:
            before = state()
            own = headwater(study, step, "--scheduler", address)
            after = state()
            used[step] = {key: after[key] - before[key] for key in after} | {
                "peak": after["peak"],
                "wall": own["wall"],
                "client peak": own["peak"],
                "client read": own["read"],
                "client": own["cpu"],
            }
    return used


def in_threads(study: Path) -> dict[str, dict[str, float]]:
    """Run a study in two threads of one process, step by step."""
    return {step: headwater(study, step, "--threads", "2") for step in STEPS}


def size_of(folder: Path) -> float:
    """Bytes of all files below [MB]."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measured(days: int, rows: int, columns: int) -> dict[str, object]:
    """Run one study in threads and on one and two workers."""
    from headwater.chapters import STEPS as ALL
    from headwater.study import read_study
    from headwater.study.cost import estimate

    folder = Path(tempfile.mkdtemp(dir=os.environ.get("HEADWATER_BENCH_FOLDER")))
    try:
        study = write(folder, days, rows, columns)
        sizes = {path.name: size_of(path) for path in folder.glob("*.zarr")}
        said = estimate(read_study(study), ALL)
        found: dict[str, object] = {"inputs": sizes, "estimate": said}
        found["threads"] = in_threads(study)
        found["grids"] = {p.name: size_of(p) for p in (folder / "results/grids").glob("*.zarr")}
        for count in (1, 2):
            shutil.rmtree(folder / "results")
            found[f"{count} workers"] = spread(study, count)
        # what a command that finds all steps done reads and uses
        found["idle"] = headwater(study, STEPS[-1], "--threads", "2")
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def simulated(tasks: int, seconds: float, workers: int) -> float:
    """Hours that equal tasks take on workers, drawn task by task.

    Task times scatter by 20 %; the scheduler gives out one task a millisecond; a worker is lost
    each thousand hours of work, with the task that it is at, and is replaced after a minute.
    """
    rng = np.random.default_rng([tasks, workers])
    took = seconds / tasks * rng.lognormal(-0.02, 0.2, tasks)
    free, given = [0.0] * workers, 0.0
    for each in took:
        start = max(heapq.heappop(free), given)
        given = start + 1e-3 if start > given else given + 1e-3
        lost = rng.random() < each / 3.6e6
        heapq.heappush(free, start + each + (rng.uniform(0, each) + 60.0 if lost else 0.0))
    return max(free) / 3600


def rows() -> list[dict]:
    """Measure the large study, and simulate one of 10 TB."""
    found = measured(DAYS, ROWS, COLUMNS)
    sizes = sum(found["inputs"].values())
    cpu = {
        "threads": sum(one["cpu"] for one in found["threads"].values()),
        **{
            key: sum(one["cpu"] + one["client"] + one["scheduler"] for one in found[key].values())
            for key in ("1 workers", "2 workers")
        },
    }
    two = found["2 workers"]
    tasks = sum(one["tasks"] for one in two.values())
    return [
        row("CPU time in 2 threads [s]", cpu["threads"]),
        row("CPU time of 1 worker, scheduler and client [s]", cpu["1 workers"]),
        row("CPU time of 2 workers, scheduler and client [s]", cpu["2 workers"]),
        row("overhead of 2 workers [%]", 100 * (cpu["2 workers"] / cpu["threads"] - 1), "≤ 25"),
        row("peak memory of a worker [MB]", max(one["peak"] for one in two.values()), "≤ 1000"),
        row("scheduler, for each task [ms]", 1e3 * two_scheduler(two) / tasks, "≤ 1"),
        row("read by workers in grids / inputs", two["grids"]["read"] / sizes, "≤ 1.1"),
    ]


def two_scheduler(two: dict[str, dict[str, float]]) -> float:
    return sum(one["scheduler"] for one in two.values())


def row(task: str, ours: float, target: str = "") -> dict:
    return {"task": task, "ours": ours, "peer": None, "target": target, "note": ""}


if __name__ == "__main__":
    from pprint import pprint

    size = tuple(map(int, sys.argv[1:4])) or (DAYS, ROWS, COLUMNS)
    pprint(measured(*size), width=150)
