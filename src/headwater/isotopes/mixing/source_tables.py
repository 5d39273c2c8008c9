"""Tables of sources apart from their mixtures: every sample or means, as MixSIAR and simmr read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, nearest
from headwater.isotopes._arrays import Floats
from headwater.isotopes.mixing.composition import Composition, compose, compose_stated
from headwater.tables import ReadingOptions, read_table
from headwater.tables.options import DEFAULTS

__all__ = ["SourceTable", "read_sources"]


@dataclass(frozen=True, slots=True, eq=False)
class SourceTable:
    """Sources of a mixing study, from files of their own.

    Attributes
    ----------
    data : DataFrame
        ``source`` and factors; ``<tracer>_mean``, ``<tracer>_sd`` and ``n`` where `stated`, else
        a row for every sample with its tracers.
    tracers : tuple of str
        Names of the tracers.
    stated : bool
        Whether the file gives means.
    exact : bool
        Whether it gives means without the number of samples, which are then taken as exact.
    shift : mapping of str to array of shape (2, T)
        Mean and sd of the discrimination of a source; empty where there is none.
    concentration : mapping of str to tuple of float
        Of each tracer by source; empty where it is not given.
    notes : tuple of str
        What was recognised.
    """

    data: pd.DataFrame
    tracers: tuple[str, ...]
    stated: bool
    exact: bool
    shift: Mapping[str, Floats]
    concentration: Mapping[str, tuple[float, ...]]
    notes: tuple[str, ...]

    @property
    def cautions(self) -> tuple[str, ...]:
        """Say what moves the sources."""
        if not self.shift:
            return ()
        return (
            "Discrimination was added to the sources. Water that mixes does not discriminate: keep "
            "it for other tracers, and for uptake by roots that is known to.",
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sources, in the order of the file."""
        return tuple(dict.fromkeys(self.data["source"].astype(str)))

    def compose(self, rows: pd.DataFrame | None = None) -> Composition:
        """Summarise the sources, with the discrimination added.

        Parameters
        ----------
        rows : DataFrame, optional
            Those of `data` that are meant; all by default.

        Returns
        -------
        Composition

        Raises
        ------
        DataError
            If a source has several means, or one sample only.
        """
        part = self.data if rows is None else rows
        if not self.stated:
            waters = compose(part, self.tracers, by=["source"])
        else:
            twice = part["source"][part["source"].duplicated()]
            if len(twice):
                raise DataError(
                    "a source has several means",
                    found=f"{twice.iloc[0]}, {int((part['source'] == twice.iloc[0]).sum())} rows",
                    do="Pair sources and mixtures by the column in which they differ: "
                    'paired = ["…"] in [samples.mixing]',
                )
            waters = compose_stated(part, self.tracers)
        if not self.shift:
            return waters
        zero = np.zeros((2, len(self.tracers)))
        moves = np.array([self.shift.get(name, zero) for name in waters.labels])
        wider = moves[:, 1, :, None] ** 2 * np.eye(len(self.tracers))
        mean, spread = waters.mean + moves[:, 0], waters.covariance + wider
        return replace(waters, mean=mean, covariance=spread)


def read_sources(
    path: Path | str,
    *,
    tracers: Iterable[str],
    discrimination: Path | str | None = None,
    concentration: Path | str | None = None,
    sheet: int | str | None = None,
    discrimination_sheet: int | str | None = None,
    concentration_sheet: int | str | None = None,
    reading: ReadingOptions = DEFAULTS,
) -> SourceTable:
    r"""Read sources from the files that MixSIAR and simmr read.

    Parameters
    ----------
    path : Path
        Every sample, or means: ``Mean<t>``, ``SD<t>`` (or ``<t>_mean``, ``<t>_sd``) and ``n``. Its
        first column names the source, unless one is called ``source`` or ``sources``. Columns
        ``Conc<t>`` are concentrations. Standard deviations under other names are taken in the
        order of the means, as simmr does, and the notes say so.
    tracers : iterable of str
        Names of the tracers, as in the mixtures.
    discrimination : Path, optional
        Shift of each source on its way into the mixture, as ``Mean<t>`` and ``SD<t>``.
    concentration : Path, optional
        Concentrations, where they have a file of their own: ``Conc<t>``, ``Mean<t>`` or ``<t>``.
    sheet, discrimination_sheet, concentration_sheet : int or str, optional
        Of a workbook, for each of the three.
    reading : ReadingOptions
        What the files leave open, such as the decimal sign.

    Returns
    -------
    SourceTable

    Raises
    ------
    InputError
        If a tracer, or a source of the discrimination or the concentrations, is missing in a file.

    Notes
    -----
    As in MixSIAR and simmr, discrimination is added to the means and its variance to that of the
    sources. Water that mixes does not discriminate; roots may.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "src.csv"
    ...     _ = file.write_text("Sources,meand18O,SDd18O\nrain,-11.2,1.5\nice,-14,1\n")
    ...     sources = read_sources(file, tracers=["d18O"])
    >>> sources.names, sources.exact, sources.compose().mean.ravel().tolist()
    (('rain', 'ice'), True, [-11.2, -14.0])
    """
    names = tuple(tracers)
    table = _named(Path(path), _on(reading, sheet))
    stated = all(_found(table, t, _MEAN) or _found(table, t, _SD) for t in names)
    table, by_place = _spreads_by_place(table, names) if stated else (table, ())
    data, sd = _values(table, names, Path(path), stated=stated)
    counted = _found(table, "", _COUNT)
    if stated and counted:
        data["n"] = table[counted].to_numpy(dtype=int)
    own = _named(Path(concentration), _on(reading, concentration_sheet)) if concentration else None
    q = _concentrations(table, names) if own is None else _concentrations(own, names, alone=True)
    shift: dict[str, Floats] = {}
    if discrimination:
        shift = _discrimination(Path(discrimination), names, _on(reading, discrimination_sheet))
    for what, known in (("discrimination", shift), ("concentrations", q)):
        _need_all(known, data["source"], what)
    factors = [c for c in table if c != "source" and not _taken(str(c), names)]
    said = f"{len(set(data['source']))} sources of {Path(path).name}, " + (
        "given as means and standard deviations" if stated else f"{len(data)} samples"
    )
    exact = stated and not counted
    more = ("their number of samples is not given: means are taken as exact",) if exact else ()
    return SourceTable(
        data.join(sd).join(table[factors]),
        names,
        stated,
        exact,
        shift,
        q,
        (said, *more, *by_place),
    )


def _on(reading: ReadingOptions, sheet: int | str | None) -> ReadingOptions:
    return reading if sheet is None else replace(reading, sheet=sheet)


def _need_all(known: Mapping[str, object], sources: pd.Series, what: str) -> None:
    """Refuse a table that leaves some source out: its shift would be 0 without a word."""
    lacking = [name for name in dict.fromkeys(sources) if known and name not in known]
    if lacking:
        raise InputError(
            f"the table of {what} lacks a source",
            found=f"'{lacking[0]}' is not among {', '.join(known)}",
            do="Add its row, or write its name as in the table of the sources",
        )


def _spreads_by_place(
    table: pd.DataFrame, names: tuple[str, ...]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Name standard deviations by their place where their own names do not say of which tracer."""
    own = [c for c in table if _plain(str(c)).startswith("sd")]
    lacking = [t for t in names if not _found(table, t, _SD)]
    means = [c for c in table if _plain(str(c)).startswith("mean")]
    if not lacking or len(own) != len(means):
        return table, ()
    of = {c: t for t in names if (c := _found(table, t, _MEAN))}
    renamed = {sd: f"sd{of[mean]}" for mean, sd in zip(means, own, strict=True) if mean in of}
    said = ", ".join(
        f"{sd} of {of[mean]}" for mean, sd in zip(means, own, strict=True) if mean in of
    )
    return table.rename(columns=renamed), (f"standard deviations by their place: {said}",)


_MEAN, _SD = ("mean{t}", "{t}mean"), ("sd{t}", "{t}sd")
_CONCENTRATION = ("conc{t}", "{t}conc", "concentration{t}", "{t}concentration")
_COUNT = ("n", "count", "samplesize")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _found(table: pd.DataFrame, tracer: str, forms: tuple[str, ...]) -> str:
    """Name the column that holds one of the forms of a tracer; empty where there is none."""
    wanted = {form.format(t=_plain(tracer)) for form in forms}
    return next((str(c) for c in table if _plain(str(c)) in wanted), "")


def _taken(column: str, tracers: tuple[str, ...]) -> bool:
    forms = ("{t}", *_MEAN, *_SD, *_CONCENTRATION)
    known = {form.format(t=_plain(t)) for t in tracers for form in forms} | set(_COUNT)
    return _plain(column) in known


def _named(path: Path, options: ReadingOptions) -> pd.DataFrame:
    """Read a table, and call the column of its sources so."""
    if not path.is_file():
        raise InputError("no such file of sources", found=str(path), do="Check the path")
    table = read_table(path, options=options, others="typed").data.reset_index(drop=True)
    known = [c for c in table if _plain(str(c)) in ("source", "sources")]
    first = known[0] if known else table.columns[0]
    table = table.rename(columns={first: "source"})
    return table.assign(source=table["source"].astype(str).str.strip())


def _values(
    table: pd.DataFrame, names: tuple[str, ...], path: Path, *, stated: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    data, sd = table[["source"]].copy(), pd.DataFrame(index=table.index)
    for t in names:
        own = _found(table, t, _MEAN if stated else ("{t}",)) or _found(table, t, ("{t}",))
        spread = _found(table, t, _SD) if stated else ""
        if not own or (stated and not spread):
            raise InputError(
                f"{path.name} lacks a column",
                found=f"no {'standard deviation of ' if own else ''}'{t}'",
                do=nearest(t, [str(c) for c in table.columns]),
            )
        data[f"{t}_mean" if stated else t] = pd.to_numeric(table[own])
        if stated:
            sd[f"{t}_sd"] = pd.to_numeric(table[spread])
    return data, sd


def _concentrations(
    table: pd.DataFrame, names: tuple[str, ...], *, alone: bool = False
) -> dict[str, tuple[float, ...]]:
    forms = (*_CONCENTRATION, *_MEAN, "{t}") if alone else _CONCENTRATION
    columns = [_found(table, t, forms) for t in names]
    if not all(columns):
        return {}
    means = table.groupby("source", sort=False)[columns].mean()
    return {
        str(name): tuple(map(float, row))
        for name, row in zip(means.index, means.to_numpy(), strict=True)
    }


def _discrimination(
    path: Path, names: tuple[str, ...], options: ReadingOptions
) -> dict[str, Floats]:
    table, _ = _spreads_by_place(_named(path, options), names)
    data, sd = _values(table, names, path, stated=True)
    means = data.drop(columns="source").to_numpy(dtype=float)
    spreads = sd.to_numpy(dtype=float)
    if not (means.any() or spreads.any()):
        return {}
    return {
        name: np.array([mean, spread])
        for name, mean, spread in zip(data["source"], means, spreads, strict=True)
    }
