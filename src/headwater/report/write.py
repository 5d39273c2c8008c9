"""From a results folder to its report: load, draw, write."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.report.language import ENGLISH, Translator, translator_of
from headwater.report.page import Chapter, Front, compose_page, file_stem, front_of, read_lineage
from headwater.report.picture import INDEX, index_of, kept_pictures, key_of, look_of, take_picture
from headwater.report.section import (
    FigureBlock,
    MakeClosing,
    MakeComparison,
    MakeOpening,
    MakeSection,
    Section,
    TableBlock,
)
from headwater.report.table import table_csv
from headwater.results import MapResult

if TYPE_CHECKING:
    from headwater.grids.area import Area
    from headwater.report.picture import Look, Picture
    from headwater.results import Result
    from headwater.study import Study

__all__ = ["write_chapters", "write_report"]


def write_report(
    results: str | Path,
    study: Study,
    sections: Mapping[str, MakeSection],
    *,
    opening: MakeOpening | None = None,
    comparison: MakeComparison | None = None,
    closing: MakeClosing | None = None,
    dpi: int = 150,
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
    opening : callable, optional
        What makes the figure on top: :data:`headwater.chapters.listing.OPENING`.
    comparison : callable, optional
        What makes the chapter that compares usual methods with those of the report:
        :data:`headwater.chapters.listing.COMPARISON`.
    closing : callable, optional
        What makes the last chapter where the study knows the truth:
        :data:`headwater.chapters.listing.CLOSING`.
    dpi : int
        Resolution of PNG figures where the study file gives none [dots per inch].

    Returns
    -------
    Path
        ``report.html``, one file that needs no network. Next to it ``figures/<step>-<name>.svg``,
        or in the formats asked for, and ``tables/<step>-<name>.csv``: unrounded, one heading row
        of ``name [unit]``.
        Figures are drawn again only where their results changed; ``figures/drawn.json`` says from
        what each was drawn.

    Raises
    ------
    ResumeError
        If a result cannot be read, or the folder is in use, full, or cannot be written.
    """
    from headwater.study.folder import finished_steps, held
    from headwater.study.inputs import read_study_area

    home = Path(results)
    with held(home), _few_collections():
        finished = finished_steps(home)
        loaded = {step: _load(home, step) for step in sections if step in finished}
        outline = _outline(read_study_area(study), loaded)
        look = look_of(study, dpi)
        draw = partial(_draw, home, outline, look)
        chapters = [
            _chapter(sections[step](found, outline), {step: found}, draw)
            for step, found in loaded.items()
        ]
        bare: dict[str, dict[str, Result]] = {step: {} for step in loaded}
        compared = comparison(loaded) if comparison else None
        if compared is not None:
            chapters.append(_chapter(compared, bare, draw))
        if closing and study.report.truth:
            section = closing(loaded, Path(study.report.truth), study.growing_season)
            chapters.append(_chapter(section, bare, draw))
        front = front_of(study, loaded.get("grids"), loaded.get("samples"))
        block = opening(loaded, outline) if opening else None
        if block is not None:
            front = replace(front, opening=(block, draw({block.name: block}, loaded)[block.name]))
        return write_chapters(home, front, chapters, translator_of(look.language))


def write_chapters(
    results: Path, front: Front, chapters: Sequence[Chapter], translator: Translator = ENGLISH
) -> Path:
    """Write chapters as a page, with their figures and tables next to it.

    Parameters
    ----------
    results : Path
        Folder, which exists; its ``figures`` and ``tables`` are replaced.
    front : Front
        What stands on top.
    chapters : sequence of Chapter
        In reading order.
    translator : Translator
        Of the language of the page.

    Returns
    -------
    Path
        ``report.html``.
    """
    from headwater.study.results_io import write_whole

    _replace_folder(results / "figures", _figure_files(front, chapters))
    _replace_folder(results / "tables", _table_files(chapters))
    page = compose_page(front, chapters, read_lineage(results), translator)
    path = results / "report.html"
    write_whole(path, lambda to: to.write_text(page, encoding="utf-8"))
    return path


@contextmanager
def _few_collections() -> Iterator[None]:
    """Search for unused objects seldom: figures are made of many, and none is long unused."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


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
        # without chunks: loading dask would take longer than reading
        with xr.open_dataset(path, engine="zarr", chunks=None, decode_coords="all") as cube:
            if "time" not in cube.dims:
                maps[path.stem] = MapResult(cube.load(), "")
    return maps


def _chapter(
    section: Section,
    found: Mapping[str, Mapping[str, Result]],
    draw: Callable[[Mapping[str, FigureBlock], Mapping[str, Mapping[str, Result]]], Any],
) -> Chapter:
    blocks = [block for block in section.blocks if isinstance(block, FigureBlock)]
    drawn = draw({file_stem(section, block): block for block in blocks}, found)
    gathered: dict[str, Any] = {
        name: tuple(
            text
            for results in found.values()
            for result in results.values()
            for text in getattr(result, name)
        )
        for name in ("choices", "references", "cautions")
    }
    lost = "".join(dict.fromkeys("".join(picture.lost for picture in drawn.values())))
    if lost:
        gathered["cautions"] += (
            f"No font here has the letters {lost}: figures say '[no font]' in their place. Install "
            "a font that has them, for Chinese Noto Sans CJK, and draw the report again.",
        )
    return Chapter(
        section, {block.name: drawn[file_stem(section, block)] for block in blocks}, **gathered
    )


def _draw(
    home: Path,
    outline: Area | None,
    look: Look,
    blocks: Mapping[str, FigureBlock],
    found: Mapping[str, Mapping[str, Result]],
) -> dict[str, Picture]:
    """Draw figures by file name, but those that are drawn already from the same results."""
    results = (result for step in found.values() for result in step.values())
    key = key_of([home / step for step in found], results, outline, look)
    kept = kept_pictures(home / "figures", key)
    return {
        stem: kept[stem] if stem in kept else take_picture(block, look, key=key)
        for stem, block in blocks.items()
    }


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


def _figure_files(front: Front, chapters: Iterable[Chapter]) -> dict[str, bytes]:
    pictures = {
        file_stem(chapter.section, block): chapter.pictures[block.name]
        for chapter in chapters
        for block in chapter.section.blocks
        if isinstance(block, FigureBlock)
    }
    if front.opening is not None:
        block, picture = front.opening
        pictures[block.name] = picture
    files = {
        f"{stem}.{kind}": content
        for stem, picture in pictures.items()
        for kind, content in picture.files.items()
    }
    return files | {INDEX: index_of(pictures)}


def _table_files(chapters: Iterable[Chapter]) -> dict[str, bytes]:
    return {
        f"{file_stem(chapter.section, block)}.csv": table_csv(block.frame).encode("utf-8-sig")
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
