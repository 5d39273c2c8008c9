"""What goes wrong, in a few words on standard error and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from headwater.cli.words import error_text, say, speak_as
from headwater.errors import HeadwaterError, ResumeError

__all__ = ["INTERRUPTED", "report_errors"]

INTERRUPTED = 130
"""Exit code of a run that was interrupted."""


@contextmanager
def report_errors(*notes: Path, study: Path | None = None) -> Iterator[list[Path]]:
    """Turn what goes wrong into a few words and an exit code; yields the place of the log.

    Parameters
    ----------
    *notes : Path
        Files that help, named where they are there.
    study : Path, optional
        The study file, whose language is spoken.
    """
    speak_as(study)
    place: list[Path] = []
    try:
        yield place
    except HeadwaterError as error:
        typer.echo(f"headwater: {error_text(error)}", err=True)
        for note in filter(Path.is_file, notes):
            typer.echo(say(f"What belongs where is in {note}"), err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        _report_interrupt(place)
    except BrokenPipeError:
        # who reads, `head` say, has had enough; the interpreter must not flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except Exception as error:
        if _is_disk_full(error):
            full = ResumeError(
                "the disk is full",
                found=str(error),
                do="Free some space, or choose another folder; what is finished is kept, and the "
                "same command goes on from there",
            )
            typer.echo(f"headwater: {error_text(full)}", err=True)
            raise typer.Exit(ResumeError.exit_code) from None
        log = _keep_traceback(place)
        typer.echo(
            say(f"headwater: unexpected {type(error).__name__}: {error}")
            + "\n"
            + say(f"This is a bug in Headwater. Please report it with {log}"),
            err=True,
        )
        raise typer.Exit(1) from None


def _report_interrupt(place: list[Path]) -> NoReturn:
    words = ["Interrupted."]
    if place:
        from headwater.study.folder import finished_steps

        kept = finished_steps(place[0])
        words.append(f"Kept: {', '.join(kept)}." if kept else "No step had finished.")
        words.append("The same command goes on from here.")
    typer.echo(" ".join(say(one) for one in words), err=True)
    raise typer.Exit(INTERRUPTED)


def _is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that nothing more can be written."""
    full = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    while error is not None:
        # HDF5 and GDAL say it in words alone
        words = os.strerror(errno.ENOSPC).lower() in str(error).lower()
        if words or (isinstance(error, OSError) and error.errno in full):
            return True
        error = error.__cause__ or error.__context__
    return False


def _keep_traceback(place: list[Path]) -> Path:
    import tempfile
    import traceback

    for folder in (*filter(Path.is_dir, place), Path(tempfile.gettempdir())):
        log = folder / "headwater.log"
        try:
            with log.open("a", encoding="utf-8") as stream:
                traceback.print_exc(file=stream)
        except OSError:
            continue
        return log
    traceback.print_exc()
    return Path("the lines above")
