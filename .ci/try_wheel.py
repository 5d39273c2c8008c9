"""Build the wheel twice, compare, install it alone, and use it in an empty directory.

``python .ci/try_wheel.py [--extras]``: with each extra on its own, too (minutes each).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PORT = 8765
ADDRESS = f"http://127.0.0.1:{PORT}/v1.1/"


def call(*words: str | Path, cwd: Path) -> None:
    print("$", *words, flush=True)
    subprocess.run([str(word) for word in words], cwd=cwd, check=True)


def build(out: Path) -> Path:
    os.environ.setdefault("SOURCE_DATE_EPOCH", "1700000000")
    call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", out, ROOT, cwd=ROOT)
    return next(out.glob("headwater-*.whl"))


def install(home: Path, what: str) -> Path:
    """Make an environment that has nothing but what the wheel asks for."""
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    folder = home / ("Scripts" if os.name == "nt" else "bin")
    call(folder / "python", "-m", "pip", "install", "-q", what, cwd=home)
    return folder / "headwater"


def serve(program: Path, empty: Path) -> None:
    store = empty / "network.db"
    words = [program, "serve", "--open", "--store", store, "--port", str(PORT)]
    service = subprocess.Popen([str(word) for word in words], cwd=empty)
    try:
        for _ in range(120):
            time.sleep(0.5)
            try:
                with urllib.request.urlopen(ADDRESS, timeout=5) as answer:
                    print("served:", answer.status, flush=True)
                    return
            except OSError:
                if service.poll() is not None:
                    break
        raise SystemExit("headwater serve does not answer")
    finally:
        service.terminate()
        service.wait(30)


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        wheels = [build(home / name) for name in ("one", "two")]
        sums = {hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}
        if len(sums) != 1:
            raise SystemExit("two builds of one source differ")
        program = install(home / "core", str(wheels[0]))
        empty = home / "empty"
        empty.mkdir()
        call(program, "doctor", cwd=empty)
        call(program, "demo", "--small", "--no-open", cwd=empty)
        serve(program, empty)
        if "--extras" in sys.argv:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
            extras = set(project["project"]["optional-dependencies"])
            for extra in sorted(extras - {"all", "bench", "docs", "test"}):
                alone = install(home / "extra", f"{wheels[0]}[{extra}]")
                found = subprocess.run(
                    [str(alone), "doctor"], cwd=empty, check=True, capture_output=True, text=True
                )
                print(found.stdout, flush=True)
                if f"Extra {extra}: not here" in found.stdout:
                    raise SystemExit(f"the extra {extra} is installed, and doctor does not see it")
    print("The wheel is reproducible, and works in an empty directory.")


if __name__ == "__main__":
    main()
