"""What the machine is examined for, and what is advised."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater import installation
from headwater.cli import doctor
from headwater.cli.doctor import examine


def test_this_machine_can_compute(tmp_path: Path) -> None:
    found = {finding.subject: finding for finding in examine(tmp_path)}
    assert found["Python"].state == "ok"
    assert found["Packages"].state == "ok"
    assert all(finding.do for finding in found.values() if finding.state != "ok")


def test_a_package_that_lacks_or_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["numpy>=999", "no-such-package>=1"]
    monkeypatch.setattr(doctor, "requirements", lambda extra=None: needed)
    finding = doctor._packages()
    assert finding.state == "problem"
    assert all(f'"{name}"' in finding.do for name in needed)


def test_a_folder_without_room_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_LEAST_DISK", 1e9)
    assert doctor._disk(tmp_path).state == "problem"


def test_every_extra_that_is_looked_for_exists() -> None:
    assert all(installation.requirements(name) for name in doctor._EXTRAS)
    listed = {entry for name in doctor._EXTRAS for entry in installation.requirements(name)}
    assert listed == set(installation.requirements("all"))


def test_the_hint_names_packages_and_the_python_that_runs() -> None:
    import sys

    hint = installation.install_hint("postgres")
    assert sys.executable in hint
    assert '"psycopg[binary]>=3.2"' in hint
