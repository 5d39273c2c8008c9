"""The numbers of the quality rules, each with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.errors import StudyError

__all__ = ["Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds of the quality control of soil moisture.

    All windows are in hours and all thresholds in m3 m-3, so that the same rules hold at any
    cadence. Defaults without another source follow Dorigo et al. (2013), written there for hourly
    values in vol%.

    Parameters
    ----------
    lowest, highest : float
        Possible range [m3 m-3]; peat holds more than the 0.60 of mineral soil.
    saturation : float, optional
        Porosity of this soil [m3 m-3].
    depth : float
        Depth of the sensor [m]: a rise asks for rain of half of what wets that depth by 5 %.
    min_rise : float
        A rise within a day below this is noise [m3 m-3]. Ours: without it, sensor noise of
        0.0002 m3 m-3 is flagged.
    min_change : float
        Spikes and breaks below this are noise [m3 m-3].
    relative_change : float
        Spikes depart by this share of the value before; breaks by two thirds of it.
    window : float
        Half width of the surroundings of an observation [h].
    plateau : float
        A plateau lasts at least this [h].
    flat : float
        Standard deviation within a plateau [m3 m-3].
    stuck : float
        Hours of one repeated value at a sensor that resolves 0.002 m3 m-3 or better; a coarser
        one is given five times as long. Ours.
    thaw : float
        After the last frost in the soil a rise without rain is melt water for this long [h], unless
        the soil has been above `warm` for five days. Ours: ground ice of the Three-Rivers region
        melts from May on.
    frost, warm : float
        Soil temperatures [°C] at which it is frozen, and surely free of ice.

    Raises
    ------
    StudyError
        If a threshold makes no sense.

    References
    ----------
    Dorigo, W. A., et al. (2013). Global automated quality control of in situ soil moisture data
    from the International Soil Moisture Network. Vadose Zone Journal, 12(3).
    https://doi.org/10.2136/vzj2012.0097

    Examples
    --------
    >>> round(Rules(depth=0.1).min_rain, 3), Rules(depth=0.002).min_rain
    (2.5, 0.2)
    """

    lowest: float = 0.0
    highest: float = 0.60
    saturation: float | None = None
    depth: float = 0.05
    min_rise: float = 0.01
    min_change: float = 0.01
    relative_change: float = 0.15
    window: float = 12.0
    plateau: float = 12.0
    flat: float = 0.0022
    stuck: float = 72.0
    thaw: float = 720.0
    frost: float = 0.0
    warm: float = 5.0

    def __post_init__(self) -> None:
        if not self.lowest < self.highest:
            raise StudyError(
                "the possible range of soil moisture is empty",
                found=f"{self.lowest} to {self.highest}",
                do="Give lowest below highest, in m3 m-3",
            )
        lengths = {"window": self.window, "plateau": self.plateau, "stuck": self.stuck}
        for name, hours in lengths.items():
            if hours <= 0:
                raise StudyError(
                    "a window without length", found=f"{name} = {hours} h", do="Give hours"
                )

    @property
    def min_rain(self) -> float:
        """Rain within a day that can explain a rise at this depth [mm], 0.2 at the least."""
        return max(0.2, self.depth * 0.05 * 0.5 * 1000.0)

    @property
    def memory(self) -> float:
        """Hours before an observation that its flags may depend on."""
        return max(24.0, 2.0 * self.window)

    @property
    def delay(self) -> float:
        """Hours after an observation until its flags are settled."""
        return max(self.window, self.plateau)
