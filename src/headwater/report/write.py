"""From a results folder to its report: load, draw, write."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.report.front import front_of
from headwater.report.lineage import read_lineage
from headwater.report.page import Chapter, Front, compose_page, file_stem
from headwater.report.picture import take_picture
from headwater.report.section import FigureBlock, MakeSection, Section, TableBlock
from headwater.report.table import table_csv
from headwater.results import MapResult

if TYPE_CHECKING:
    from headwater.grids.area import Area
    from headwater.results import Result
    from headwater.study import Study

__all__ = ["write_chapters", "write_report"]


def write_report(
    results: str | Path, study: Study, sections: Mapping[str, MakeSection], *, dpi: int = 150
) -> Path:
    """Write the report of everything that has finished.

    Parameters
    ----------
    results : str or Path
        The results folder.
    study : Study
        The study file that the results come from.
    sections : mapping of callable
        What makes each chapter, by the name of its step, in reading order:
        :data:`headwater.chapters.SECTIONS`.
    dpi : int
        Resolution of PNG figures [dots per inch].

    Returns
    -------
    Path
        ``report.html``, one file that needs no network. Next to it ``figures/<step>-<name>.png``,
        ``.svg``, and ``tables/<step>-<name>.csv``: unrounded, one heading row of ``name [unit]``.

    Raises
    ------
    ResumeError
        If a result cannot be read, or the folder is in use, full, or cannot be written.
    """
    from headwater.study.folder import finished_steps, held
    from headwater.study.inputs import read_study_area

    home = Path(results)
    with held(home):
        finished = finished_steps(home)
        loaded = {step: _load(home, step) for step in sections if step in finished}
        outline = _outline(read_study_area(study), loaded)
        chapters = [
            _chapter(sections[step](found, outline), found, dpi) for step, found in loaded.items()
        ]
        front = front_of(study, loaded.get("grids"), loaded.get("samples"))
        return write_chapters(home, front, chapters)


def write_chapters(results: Path, front: Front, chapters: Sequence[Chapter]) -> Path:
    """Write chapters as a page, with their figures and tables next to it.

    Parameters
    ----------
    results : Path
        Folder, which exists; its ``figures`` and ``tables`` are replaced.
    front : Front
        What stands on top.
    chapters : sequence of Chapter
        In reading order.

    Returns
    -------
    Path
        ``report.html``.
    """
    from headwater.study.results_io import write_whole

    _replace_folder(results / "figures", _figure_files(chapters))
    _replace_folder(results / "tables", _table_files(chapters))
    page = compose_page(front, chapters, read_lineage(results))
    path = results / "report.html"
    write_whole(path, lambda to: to.write_text(page, encoding="utf-8"))
    return path


def _load(home: Path, step: str) -> dict[str, Result]:
    from headwater.study.results_io import load_result

    names = sorted(path.stem for path in (home / step).glob("*.json") if path.stem != "step")
    results = {name: load_result(home, f"{step}/{name}") for name in names}
    return results | (_lasting(home / step) if step == "grids" else {})


def _lasting(folder: Path) -> dict[str, Result]:
    """Open maps of what does not change in time, from the cubes on the study grid."""
    import xarray as xr

    maps: dict[str, Result] = {}
    for path in sorted(folder.glob("*.zarr")):
        with xr.open_zarr(path, decode_coords="all") as cube:
            if "time" not in cube.dims:
                maps[path.stem] = MapResult(cube.load(), "")
    return maps


def _chapter(section: Section, results: Mapping[str, Result], dpi: int) -> Chapter:
    pictures = {
        block.name: take_picture(block, dpi)
        for block in section.blocks
        if isinstance(block, FigureBlock)
    }
    gathered: dict[str, Any] = {
        name: tuple(text for result in results.values() for text in getattr(result, name))
        for name in ("choices", "references", "cautions")
    }
    return Chapter(section, pictures, **gathered)


def _outline(area: Area | None, loaded: Mapping[str, Mapping[str, Result]]) -> Area | None:
    """Bring the study area into the reference system of the maps."""
    from headwater.grids.geometry import crs_of

    maps = (
        result.data
        for results in loaded.values()
        for result in results.values()
        if isinstance(result, MapResult)
    )
    first = next(maps, None)
    return area if area is None or first is None else area.to_crs(crs_of(first))


def _figure_files(chapters: Iterable[Chapter]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for chapter in chapters:
        for block in chapter.section.blocks:
            if isinstance(block, FigureBlock):
                stem, picture = file_stem(chapter.section, block), chapter.pictures[block.name]
                files |= {f"{stem}.png": picture.png, f"{stem}.svg": picture.svg}
    return files


def _table_files(chapters: Iterable[Chapter]) -> dict[str, bytes]:
    return {
        f"{file_stem(chapter.section, block)}.csv": table_csv(block.frame).encode()
        for chapter in chapters
        for block in chapter.section.blocks
        if isinstance(block, TableBlock)
    }


def _replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder whole under another name, so that no old file stays among the new."""
    temporary = folder.with_name(f".writing-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
