"""A private PostgreSQL server for tests and benchmarks: made, started on a free port, removed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

WORDS = "listen_addresses = '127.0.0.1'\nmax_connections = 40\n"


def binaries() -> Path | None:
    """Find the folder of initdb and postgres: on the PATH, or where Debian keeps them."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return folders[-1].parent if folders else None


def servant() -> str | None:
    """Name the user to run as: initdb refuses root."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


class Cluster:
    """A server that can be stopped, killed and started again."""

    def __init__(self, folder: Path, fsync: str) -> None:
        self.folder, self.data = folder, folder / "data"
        self.bin, self.user = binaries(), servant()
        self.process: subprocess.Popen | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if self.user:
            shutil.chown(folder, self.user)
        self._do("initdb", "-D", self.data, "-U", "headwater", "-A", "trust", "-E", "UTF8")
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(f"{WORDS}fsync = {fsync}\nport = {self.port}\n")
            conf.write(f"unix_socket_directories = '{folder}'\n")

    def _do(self, program: str, *words: object) -> None:
        command = [self.bin / program, *map(str, words)]
        done = subprocess.run(
            command, user=self.user, capture_output=True, text=True, cwd=self.folder, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)

    def start(self) -> None:
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data],
                user=self.user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        for _ in range(300):
            ready = [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def stop(self, signal: int = 2) -> None:
        """End the server: 2 disconnects its clients and shuts down, 3 is as a crash."""
        if self.process is not None:
            self.process.send_signal(signal)
            self.process.wait(60)
            self.process = None

    def database(self, name: str) -> str:
        """Make an empty data base; returns its address."""
        self._do("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "headwater", name)
        return f"postgresql://headwater@127.0.0.1:{self.port}/{name}"


@contextmanager
def cluster(fsync: str = "off"):
    """Run a private server for the length of a block.

    Tests kill programs but never the machine, so they need not wait for its disk; benchmarks do.
    """
    with tempfile.TemporaryDirectory(prefix="headwater-pg-") as folder:
        Path(folder).chmod(0o755)
        server = Cluster(Path(folder), fsync)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal=3)  # what it holds is thrown away
