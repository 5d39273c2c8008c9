"""How much heavy isotopes lag behind when water evaporates: at equilibrium, and by diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headwater.errors import StudyError, nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "ISOTOPES",
    "equilibrium_alpha",
    "equilibrium_enrichment",
    "kinetic_enrichment",
    "vapour_from_rain",
]

Isotope = Literal["d18O", "d2H"]
Variant = Literal["merlivat", "gibson"]

ISOTOPES: tuple[Isotope, Isotope] = ("d18O", "d2H")

# 1000 ln α = Σ c T^k: coefficients of T³, T², T, 1, 1/T, 1/T², 1/T³ (Horita & Wesolowski 1994)
_LN_ALPHA = {
    "d2H": (1158.8e-9, -1620.1e-6, 794.84e-3, -161.04, 0.0, 0.0, 2.9992e9),
    "d18O": (0.0, 0.0, 0.0, -7.685, 6.7123e3, -1.6664e6, 0.3504e9),
}
_DIFFUSIVITY = {"d2H": 0.9755, "d18O": 0.9723}  # Di/D, Merlivat (1978)
_GIBSON = {"d2H": 25.0, "d18O": 28.6}  # C_k [‰], Gibson et al. (2008)


def _check(isotope: str) -> None:
    if isotope not in ISOTOPES:
        raise StudyError("unknown isotope", found=f"'{isotope}'", do=nearest(isotope, ISOTOPES))


def equilibrium_alpha(temperature: ArrayLike, isotope: Isotope) -> Any:
    """Equilibrium fractionation factor of liquid water over vapour.

    Parameters
    ----------
    temperature : array-like
        Of the evaporating water [degC], 0 to 374.
    isotope : {"d18O", "d2H"}
        Which.

    Returns
    -------
    array
        α > 1 [1].

    Raises
    ------
    StudyError
        If the isotope is unknown.

    References
    ----------
    Horita & Wesolowski (1994), Geochim. Cosmochim. Acta 58:3425,
    doi:10.1016/0016-7037(94)90096-5.

    Examples
    --------
    >>> round(float(equilibrium_alpha(20.0, "d2H")), 6)
    1.084355
    """
    _check(isotope)
    kelvin = np.asarray(temperature, dtype=float) + 273.15
    terms = zip(_LN_ALPHA[isotope], range(3, -4, -1), strict=True)
    return np.exp(sum(c * kelvin**k for c, k in terms if c) / 1000.0)


def equilibrium_enrichment(temperature: ArrayLike, isotope: Isotope) -> Any:
    """Equilibrium enrichment ε⁺ = (α - 1) 1000 [‰].

    Examples
    --------
    >>> round(float(equilibrium_enrichment(20.0, "d18O")), 4)
    9.7776
    """
    return (equilibrium_alpha(temperature, isotope) - 1.0) * 1000.0


def kinetic_enrichment(
    humidity: Any,
    isotope: Isotope,
    *,
    turbulence: Any = 1.0,
    theta: Any = 1.0,
    variant: Variant = "merlivat",
) -> Any:
    """Kinetic enrichment by diffusion through still air.

    Parameters
    ----------
    humidity : array-like
        Relative humidity of the air at the temperature of the water, 0 to 1 [1].
    isotope : {"d18O", "d2H"}
        Which.
    turbulence : array-like
        n [1]: 0.5 over open or saturated ground, towards 1 over dry soil.
    theta : array-like
        Weight of the molecular layer [1], 1 for small waters; used by ``gibson``.
    variant : {"merlivat", "gibson"}
        ``n (1-h)(1-Di/D) 1000`` with the diffusivities of Merlivat (1978), or ``θ n C_k (1-h)``
        with C_k = 28.6 ‰ (18O) and 25.0 ‰ (2H) of Gibson et al. (2008).

    Returns
    -------
    array
        εk [‰].

    Raises
    ------
    StudyError
        If isotope or variant is unknown.

    References
    ----------
    Merlivat (1978), J. Chem. Phys. 69:2864, doi:10.1063/1.436884. Gibson, Birks & Edwards
    (2008), Global Biogeochem. Cycles 22:GB2031, doi:10.1029/2007GB002997.

    Examples
    --------
    >>> round(float(kinetic_enrichment(0.75, "d18O", turbulence=0.75)), 5)
    5.19375
    """
    _check(isotope)
    deficit = turbulence * (1.0 - np.asarray(humidity, dtype=float))
    if variant == "gibson":
        return theta * deficit * _GIBSON[isotope]
    if variant != "merlivat":
        raise StudyError(
            "unknown kinetic variant",
            found=f"'{variant}'",
            do=nearest(str(variant), ("merlivat", "gibson")),
        )
    return deficit * (1.0 - _DIFFUSIVITY[isotope]) * 1000.0


def vapour_from_rain(
    rain: ArrayLike, temperature: ArrayLike, isotope: Isotope, *, seasonality: ArrayLike = 1.0
) -> Any:
    """Isotopic composition of the vapour that rain implies.

    Parameters
    ----------
    rain : array-like
        δ of precipitation [‰ VSMOW].
    temperature : array-like
        Of the air [degC].
    isotope : {"d18O", "d2H"}
        Which.
    seasonality : array-like
        k [1]: 1 where vapour is in equilibrium with the rain all year, towards 0.5 in strongly
        seasonal climates.

    Returns
    -------
    array
        ``δA = (δP - k ε⁺) / (1 + k ε⁺/1000)`` [‰].

    References
    ----------
    Gibson, Birks & Edwards (2008), Global Biogeochem. Cycles 22:GB2031,
    doi:10.1029/2007GB002997.

    Examples
    --------
    >>> round(float(vapour_from_rain(-6.0, 20.0, "d18O")), 3)
    -15.625
    """
    lag = seasonality * equilibrium_enrichment(temperature, isotope)
    return (rain - lag) / (1.0 + lag / 1000.0)
