"""One new user, from an empty folder to the report: init, mistakes, a kill, resume, the browser."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headwater.study.demo import write_demo

HEADWATER = Path(sys.executable).with_name("headwater")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
STEPS = ("grids", "variation", "correlation", "detector")
CHAPTERS = ("Study area and data", "Methods", "What to distrust")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def headwater(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HEADWATER, *words], cwd=at, capture_output=True, text=True, timeout=300, check=False
    )


def kill_within(step: str, *, at: Path) -> None:
    """Start a run and kill it, as a power cut would, while a step is running."""
    process = subprocess.Popen(
        [HEADWATER, "run"], cwd=at, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    running = at / "results" / f".running-{step}"
    for _ in range(60_000):
        if running.exists():
            break
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert running.exists(), "it was killed within the step"


def fill_in(file: Path) -> str:
    """Name the user's files in the template, and make three mistakes of three kinds."""
    text = file.read_text(encoding="utf-8")
    text = text.replace("# seed = 1", "sed = 1")
    text = text.replace("[inputs.temperature]", '[inputs.temperature]\nunits = "celcius"')
    return text.replace("data/dem.tif", "data/demm.tif")


def finished(results: Path) -> set[str]:
    return {card.parent.name for card in results.glob("[!.]*/step.json")}


def look_at(page_file: Path, picture: Path) -> tuple[str, list[str], list[str]]:
    """Open the report with the network cut; give its text, what it asked for and its complaints."""
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(page_file.as_uri())
        page.wait_for_function("[...document.images].every(image => image.complete)")
        widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
        assert len(widths) > 10
        assert min(widths) > 100, "every figure is drawn"
        text = page.inner_text("body")
        page.screenshot(path=picture, full_page=True)
        browser.close()
    return text, [url for url in asked if not url.startswith(("file:", "data:"))], complaints


def test_a_new_user_reaches_the_report(tmp_path: Path) -> None:
    from matplotlib.image import imread

    # Data of a small virtual headwater stand for the user's own.
    write_demo(tmp_path / "made", small=True)
    home = tmp_path / "my-mountain"
    home.mkdir()
    (home / "data").symlink_to(tmp_path / "made" / "data")

    assert headwater("init", at=home).returncode == 0
    study = home / "study.toml"
    right = study.read_text(encoding="utf-8")
    study.write_text(fill_in(study), encoding="utf-8")

    # All three mistakes at once, each with what was found and what to do; nothing is computed.
    for command in ("check", "run"):
        done = headwater(command, at=home)
        assert done.returncode == 2
        assert "3 problems found" in done.stderr
        assert "unknown key in [study]. Found: 'sed'. Did you mean 'seed'?" in done.stderr
        assert "[inputs.temperature] units: unknown unit. Found: 'celcius'. Did you" in done.stderr
        assert "[inputs.elevation]: no such file." in done.stderr
        assert "its folder holds dem.tif" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (home / "results").exists()

    study.write_text(right, encoding="utf-8")
    done = headwater("check", at=home)
    assert done.returncode == 0, done.stderr
    assert "No problems. Next: headwater run study.toml" in done.stdout

    # Killed within two different steps: what had finished stays, nothing is half-written.
    results = home / "results"
    kill_within("variation", at=home)
    assert finished(results) == {"grids"}
    assert not (results / "report.html").exists()
    kill_within("detector", at=home)
    assert finished(results) == {"grids", "variation", "correlation"}

    done = headwater("run", at=home)
    assert done.returncode == 0, done.stderr
    assert "1 step computed, 3 kept" in done.stdout
    record = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
    assert {step["name"]: step["skipped"] for step in record["steps"]} == {
        step: step != "detector" for step in STEPS
    }
    assert not [entry.name for entry in results.glob(".*-*")]

    picture = tmp_path / "report.png"
    text, asked, complaints = look_at(results / "report.html", picture)
    assert asked == []
    assert complaints == []
    for heading in CHAPTERS:
        assert heading in text
    assert "Soil moisture of my mountains" in text
    assert "nan" not in text.lower().split()
    pixels = imread(picture)[..., :3]
    assert pixels.shape[1] == 1280
    assert 0.02 < (pixels.min(axis=2) < 0.9).mean() < 0.9
