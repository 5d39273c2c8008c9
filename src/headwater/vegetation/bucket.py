"""The root zone as a bucket: daily water under snow, frost, plants and bare ground."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.vegetation import _bucket_kernels as kernels
from headwater.vegetation._series import plain_array

__all__ = ["Balance", "Soil", "Weather", "dry_down", "soil_table", "water_balance"]

Weather = kernels.Weather
Floats = NDArray[np.float64]
Loss = Literal["laio", "fao56"]
Apply = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
"""What runs parts of the cells one after the other, as `map`, or on a cluster."""

_ORDER = (
    "hygroscopic_point",
    "wilting_point",
    "stress_point",
    "field_capacity",
    "porosity",
)


@dataclass(frozen=True, slots=True, eq=False)
class Soil:
    """What soil and plants of a cell are like; numbers, or arrays of one value for each cell.

    Attributes
    ----------
    field_capacity, wilting_point : float or ndarray
        Water content [m3 m-3].
    root_depth : float or ndarray
        [mm]
    porosity : float or ndarray
        [m3 m-3]
    stress_point : float or ndarray
        Water content at which plants close their stomata [m3 m-3]; default: half way between
        wilting point and field capacity.
    hygroscopic_point : float or ndarray
        Least water content [m3 m-3]; default: half of the wilting point.
    conductivity : float or ndarray
        Saturated [mm d-1].
    beta : float or ndarray
        Exponent of the leakage.
    transpiration, evaporation : float or ndarray
        Share of potential evapotranspiration at full cover, and from wet bare ground [1].
    bare_loss : float or ndarray
        Evaporation at the wilting point [mm d-1].
    unfrozen : float or ndarray
        Share of water that stays liquid in deep frost [1].
    memory : float or ndarray
        Time in which the ground follows the air [d].
    snow_factor : float or ndarray
        Melt [mm degC-1 d-1].
    runoff_power : float or ndarray
        Of the share of supply that runs off before the soil is full, (water / porosity) ^ power;
        default: none does.
    """

    field_capacity: Any
    wilting_point: Any
    root_depth: Any = 400.0
    porosity: Any = 0.45
    stress_point: Any = None
    hygroscopic_point: Any = None
    conductivity: Any = 100.0
    beta: Any = 13.8
    transpiration: Any = 1.0
    evaporation: Any = 0.5
    bare_loss: Any = 0.1
    unfrozen: Any = 0.15
    memory: Any = 18.0
    snow_factor: Any = 3.0
    runoff_power: Any = kernels.NO_RUNOFF

    def with_values(self, **values: Any) -> Soil:
        """Return a soil with other values of some parameters."""
        return replace(self, **values)

    def of_cells(self, cells: Any, shape: tuple[int, ...]) -> Soil:
        """Return the soil of some cells, by their places in cells of a shape that are laid out."""
        arrays = {one.name: getattr(self, one.name) for one in fields(self)}
        own = {
            name: np.broadcast_to(values, shape).ravel()[cells]
            for name, values in arrays.items()
            if np.ndim(values)
        }
        return self.with_values(**own)


@dataclass(frozen=True, slots=True, eq=False)
class Balance:
    """What the bucket did.

    Attributes
    ----------
    series : mapping of ndarray, shape (days, ...)
        By name: ``liquid`` and ``water`` content [m3 m-3]; ``transpiration``, ``evaporation``,
        ``runoff``, ``leakage`` [mm d-1]; ``snow`` [mm]; ``stress`` [1], static, integrated over the
        day.
    state : ndarray, shape (4, ...)
        Where it ended: snow, water, depletion of the topsoil [mm], ground temperature [degC].
    sums : mapping of ndarray, shape (...)
        Totals of the fluxes and of ``rain`` [mm].
    residual : float
        Largest imbalance of a cell [mm].
    left_out : int
        Cells without values because their soil or weather is missing.
    """

    series: Mapping[str, Floats]
    state: Floats
    sums: Mapping[str, Floats]
    residual: float
    left_out: int


def water_balance(
    weather: Weather,
    soil: Soil,
    *,
    loss: Loss = "laio",
    keep: tuple[str, ...] = ("liquid",),
    begin: Floats | None = None,
) -> Balance:
    """Run the daily water balance of the root zone.

    Parameters
    ----------
    weather : Weather
        ``rain`` [mm], ``air`` [degC], ``demand`` (potential evapotranspiration) [mm] and ``cover``
        [1], each ndarray (days, ...), or (days,) for all cells.
    soil : Soil
        One for all, or with a value for each cell.
    loss : {"laio", "fao56"}
        Laio's loss function, or transpiration and evaporation by FAO 56's dual coefficient.
    keep : tuple of str
        Series to return.
    begin : ndarray, shape (4, ...), optional
        State to begin with, as in :attr:`Balance.state`; default: no snow, soil half way between
        wilting point and field capacity, ground as cold as the mean air of the first month.

    Returns
    -------
    Balance

    Raises
    ------
    DataError
        If evapotranspiration or rain is negative, cover is outside 0-1, soil water contents are out
        of order, or all soils lack a value.

    Notes
    -----
    Rain is snow below 0 °C in part and melts by degree days. Of rain and melt (water / porosity)^b
    runs off, as in the model HBV, and what is above saturation.
    Laio: loss rises from 0 at the hygroscopic point to `bare_loss` at wilting and to PET (k_t C +
    k_e (1 − C)) at the stress point; above field capacity leaks K (e^{β(s − s_fc)} − 1) / (e^{β(1 −
    s_fc)} − 1). Each day is solved exactly. In frozen ground all losses shrink with the liquid
    share, which falls linearly from 1 at +1 °C. What enters is what leaves or stays: the imbalance
    is rounding. Stress ((s* − s) / (s* − s_w))² is integrated over the day, not taken at a mean
    state, at which a long dry spell would show none.

    References
    ----------
    Laio, F., Porporato, A., Ridolfi, L. and Rodriguez-Iturbe, I. (2001). Plants in water-controlled
    ecosystems: active role in hydrologic processes and response to water stress. II. Adv. Water
    Resour. 24, 707-723. doi:10.1016/S0309-1708(01)00005-7. Allen, R. G., et al. (1998), FAO 56,
    chapters 7 and 8. Bergström, S. and Lindström, G. (2015). Interpretation of runoff processes in
    hydrological modelling: experience from the HBV approach. Hydrol. Process. 29, 3535-3545.
    doi:10.1002/hyp.10510 (recalled, unchecked).

    Examples
    --------
    >>> soil = Soil(field_capacity=0.28, wilting_point=0.10)
    >>> dry = Weather(np.zeros(60), np.full(60, 12.0), np.full(60, 4.0), np.full(60, 0.8))
    >>> found = water_balance(dry, soil)
    >>> found.series["liquid"].shape, bool(found.residual < 1e-10)
    ((60, 1), True)
    """
    unknown = set(keep) - set(kernels.SERIES)
    if loss not in ("laio", "fao56") or unknown:
        raise DataError(
            "no such loss function or series",
            found=f"loss '{loss}', keep {sorted(unknown) or keep}",
            do=f"Use laio or fao56, and series of {', '.join(kernels.SERIES)}",
        )
    filled, shape = _filled(weather)
    _check_weather(filled)
    table = soil_table(soil, shape)
    start = _begin(filled, table) if begin is None else np.reshape(begin, (4, -1)).astype(float)
    wanted = np.array([keep.index(name) if name in keep else -1 for name in kernels.SERIES])
    # a store of nothing divides nothing: cells without soil run as NaN
    out = np.empty((len(keep), *filled.rain.shape))
    state, sums = kernels.bucket_days(filled, table, start, loss == "laio", wanted, out)
    change = state[:2].sum(axis=0) - start[:2].sum(axis=0)
    gap = np.abs(sums[0] - sums[1:].sum(axis=0) - change)
    known = np.isfinite(gap)
    if not known.any():
        raise DataError(
            "no cell can be computed",
            found="weather or soil of every cell has missing values",
            do="Fill gaps of the weather, and give field capacity and wilting point",
        )
    names = ("rain", "transpiration", "evaporation", "runoff", "leakage")
    return Balance(
        series={name: out[keep.index(name)].reshape(-1, *shape) for name in keep},
        state=state.reshape(4, *shape),
        sums={name: values.reshape(shape) for name, values in zip(names, sums, strict=True)},
        residual=float(gap[known].max()),
        left_out=int((~known).sum()),
    )


def dry_down(
    storage: float,
    soil: Soil,
    *,
    demand: float,
    days: float,
    power: float = 2.0,
) -> Mapping[str, float]:
    """Let one soil dry for some days without rain, by Laio's loss function in closed form.

    Parameters
    ----------
    storage : float
        Water content at the start [m3 m-3].
    soil : Soil
        Numbers, not arrays.
    demand : float
        Loss of wet soil [mm d-1].
    days : float
        [d]
    power : float
        Exponent of the static stress.

    Returns
    -------
    mapping
        ``water`` content [m3 m-3], ``leakage`` and ``evapotranspiration`` [mm] and ``stress``, the
        mean over time [1].

    Examples
    --------
    >>> soil = Soil(0.56, 0.13, root_depth=400.0, porosity=1.0, stress_point=0.33,
    ...     hygroscopic_point=0.1)
    >>> round(float(dry_down(0.3, soil, demand=4.0, days=5.0)["water"]), 4)
    0.2621
    """
    table = soil_table(soil, (1,))[:, 0]
    depth = table[0]
    marks = tuple(depth * table[k] for k in range(2, 6))
    rates = (demand, min(table[10], demand), table[6], table[7] / (depth * table[1]))
    water, leaked, stress = kernels.laio_dry_down(storage * depth, marks, rates, days, power)
    lost = storage * depth - water - leaked
    found = {"water": water / depth, "leakage": leaked}
    return found | {"evapotranspiration": lost, "stress": stress}


def soil_table(soil: Soil, shape: tuple[int, ...]) -> Floats:
    """Lay out a soil for the kernels, shape (parameters, cells), and refuse impossible ones.

    Parameters
    ----------
    soil : Soil
        The soil.
    shape : tuple of int
        Shape of the cells.

    Returns
    -------
    ndarray
        NaN throughout where any value of a cell is missing.

    Raises
    ------
    DataError
        If field capacity or wilting point is not given, or water contents are out of order.
    """
    values = {one.name: getattr(soil, one.name) for one in fields(soil)}
    for name in ("field_capacity", "wilting_point"):
        if values[name] is None:
            raise DataError(
                f"a soil without {name.replace('_', ' ')}",
                found="None",
                do="Give it, in m3 m-3, for the whole area or for each cell",
            )
    field, wilting = (np.asarray(values[k], float) for k in ("field_capacity", "wilting_point"))
    if values["stress_point"] is None:
        values["stress_point"] = (field + wilting) / 2.0
    if values["hygroscopic_point"] is None:
        values["hygroscopic_point"] = wilting / 2.0
    flat = {
        name: np.broadcast_to(np.asarray(value, dtype=np.float64), shape).ravel()
        for name, value in values.items()
    }
    _check_order(flat)
    steep = flat["beta"] * (1.0 - flat["field_capacity"] / flat["porosity"])
    flat["conductivity"] = flat["conductivity"] / np.expm1(steep)
    table = np.stack([flat[name] for name in kernels.FIELDS])
    return np.where(np.isfinite(table).all(axis=0), table, np.nan)


def _check_order(flat: Mapping[str, Floats]) -> None:
    marks = np.stack([flat[name] for name in _ORDER])
    wrong = (np.diff(marks, axis=0) <= 0).any(axis=0)
    if wrong.any():
        cell = int(np.flatnonzero(wrong)[0])
        listed = ", ".join(f"{name} {flat[name][cell]:.3g}" for name in _ORDER)
        raise DataError(
            "water contents of a soil must rise from hygroscopic point to porosity",
            found=f"{int(wrong.sum())} cells; cell {cell}: {listed}",
            do="Correct them, in m3 m-3",
        )


def _filled(weather: Weather) -> tuple[Weather, tuple[int, ...]]:
    """Bring weather to (days, cells) without copying what has that shape, and give the cells."""
    # a cube gives its values too, without a copy
    parts = [np.asarray(part) for part in weather]
    days = len(parts[0])
    shape = max((part.shape[1:] for part in parts), key=len) or (1,)
    flat = []
    for part in parts:
        if len(part) != days:
            raise DataError(
                "weather of different lengths",
                found=", ".join(str(len(one)) for one in parts),
                do="Give rain, air, demand and cover of the same days",
            )
        whole = part if part.shape[1:] == shape else np.reshape(part, (days, *(1,) * len(shape)))
        flat.append(plain_array(whole, (days, *shape)).reshape(days, -1))
    return Weather(*flat), shape


def _check_weather(weather: Weather) -> None:
    for name, low, high in (("demand", 0.0, 100.0), ("rain", 0.0, 2000.0), ("cover", 0.0, 1.0)):
        values = getattr(weather, name)
        least, most = float(np.nanmin(values)), float(np.nanmax(values))
        if least < low or most > high:
            words = {"demand": "potential evapotranspiration"}.get(name, name)
            raise DataError(
                f"impossible {words}",
                found=f"{least:g} to {most:g}",
                do=f"Give values from {low:g} to {high:g} a day",
            )


def _begin(weather: Weather, table: Floats) -> Floats:
    cells = table.shape[1]
    begin = np.zeros((4, cells))
    begin[1] = table[0] * 0.5 * (table[2] + table[4])
    begin[3] = np.nanmean(weather.air[:30], axis=0)
    return begin
