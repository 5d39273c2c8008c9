"""Water lines: a line in the dual-isotope plane, how it was fitted and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import pandas as pd

from headwater.errors import DataError, StudyError, nearest
from headwater.isotopes.regression import (
    Coefficients,
    MomentMethod,
    huber,
    moment_line,
    theil_sen,
    york,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["GMWL", "WaterLine", "fit_line"]

Method = Literal["ols", "rma", "ma", "york", "huber", "theil-sen"]


@dataclass(frozen=True, slots=True)
class WaterLine:
    """A line ``δ²H = slope δ¹⁸O + intercept``.

    Attributes
    ----------
    slope : float
        [1].
    intercept : float
        [‰].
    slope_se, intercept_se : float
        Standard errors; 0 for a line that is given, not fitted.
    covariance : float
        Covariance of slope and intercept [‰].
    r2 : float
        Squared correlation of the points [1].
    rmse : float
        Scatter about the line in δ²H, ``√(Σr²/(n-2))`` [‰].
    n : int
        Number of points, 0 for a line that is given.
    method : str
        How it was fitted: ``OLS``, ``PW-RMA``, ...
    label : str
        What it is a line of.
    note : str
        What must be distrusted, empty for nothing.
    """

    slope: float
    intercept: float
    slope_se: float = 0.0
    intercept_se: float = 0.0
    covariance: float = 0.0
    r2: float = float("nan")
    rmse: float = 0.0
    n: int = 0
    method: str = "given"
    label: str = "LMWL"
    note: str = ""

    def __call__(self, d18O: Any) -> Any:
        """Return δ²H on the line [‰]."""
        return self.slope * d18O + self.intercept

    def band(
        self,
        d18O: ArrayLike,
        *,
        kind: Literal["confidence", "prediction"] = "confidence",
        level: float = 0.95,
    ) -> tuple[Any, Any]:
        """Return the low and high edge of the line's band at δ¹⁸O.

        Parameters
        ----------
        d18O : array-like
            [‰ VSMOW].
        kind : {"confidence", "prediction"}
            Of the line itself (the mean of many waters), or of one new water.
        level : float
            Probability [1].

        Returns
        -------
        tuple of array
            δ²H [‰].

        Notes
        -----
        ``var = O² var(a) + 2 O cov(a, b) + var(b)``, plus ``rmse²`` for one new water; Student's t
        with n - 2 degrees of freedom.
        """
        from scipy.special import stdtrit

        d18O = np.asarray(d18O, dtype=float)
        variance = (d18O * self.slope_se) ** 2 + 2.0 * d18O * self.covariance
        variance = np.maximum(variance + self.intercept_se**2, 0.0)
        if kind == "prediction":
            variance = variance + self.rmse**2
        half = stdtrit(max(self.n - 2, 1), 0.5 + level / 2.0) * np.sqrt(variance)
        return self(d18O) - half, self(d18O) + half

    def slope_interval(self, *, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of the slope.

        Parameters
        ----------
        level : float
            Probability [1].

        Returns
        -------
        tuple of float
            Low and high [1]; infinite where the samples exclude no slope.

        Notes
        -----
        Student's t with n - 2 degrees of freedom about the slope; of RMA ``b (√(B+1) ± √B)`` with
        ``B = t² (1 - r²) / (n - 2)``, and of MA ``(b ± A) / (1 ∓ b A)`` from the angle of the axis:
        both are skewed, and hold with few samples too.

        References
        ----------
        Jolicoeur & Mosimann (1968), Biom. Praxim. 9:121; Jolicoeur (1990), J. Theor. Biol. 144:275
        (both recalled, unchecked); Warton et al. (2006), Biol. Rev. 81:259,
        doi:10.1017/S1464793106007007.

        Examples
        --------
        >>> line = fit_line([-20.0, -15.0, -10.0, -5.0], [-150.0, -113.0, -70.0, -31.0],
        ...                 method="rma")
        >>> [float(round(edge, 2)) for edge in line.slope_interval()]
        [7.36, 8.7]
        """
        from scipy.special import stdtrit

        dof = max(self.n - 2, 1)
        t = float(stdtrit(dof, 0.5 + level / 2.0))
        if self.method == "RMA" and self.r2 > 0.0:
            b = t**2 * (1.0 - self.r2) / dof
            edges = [self.slope * (np.sqrt(b + 1.0) + s * np.sqrt(b)) for s in (-1.0, 1.0)]
        elif self.method == "MA" and self.r2 > 0.0:
            edges = self._axis_interval(t**2 / dof)
        else:
            edges = [self.slope + s * t * self.slope_se for s in (-1.0, 1.0)]
        return min(edges), max(edges)

    def _axis_interval(self, reach: float) -> list[float]:
        """Slopes within an angle of the major axis, from its slope and correlation alone."""
        b, r = abs(self.slope), float(np.sqrt(self.r2))
        c = r * (b - 1.0 / b)
        s = 0.5 * (c + np.sqrt(c**2 + 4.0))  # ratio of the standard deviations
        small, large = np.linalg.eigvalsh([[1.0, r * s], [r * s, s**2]])
        if small <= 0.0:
            return [self.slope, self.slope]
        h = reach / (large / small + small / large - 2.0)
        if h >= 1.0:
            return [-np.inf, np.inf]
        a = np.sqrt(h / (1.0 - h))
        # past the vertical, every steeper slope is within
        edges = [(b - a) / (1.0 + b * a), (b + a) / (1.0 - b * a) if b * a < 1.0 else np.inf]
        return [float(np.sign(self.slope) * edge) for edge in edges]

    def equation(self) -> str:
        """Write the line as people print it."""
        sign = "−" if self.intercept < 0 else "+"
        return f"δ²H = {self.slope:.2f} δ¹⁸O {sign} {abs(self.intercept):.2f}"

    def to_row(self) -> dict[str, Any]:
        """Return the line as a row of a table, with the 95 % interval of its slope.

        :meth:`from_row` reads it back.
        """
        low, high = self.slope_interval() if self.n else (np.nan, np.nan)
        return asdict(self) | {"slope_low": low, "slope_high": high}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> WaterLine:
        """Read a line back from a row of a table."""
        values: dict[str, Any] = {
            name: row[name] for name in cls.__dataclass_fields__ if name in row
        }
        for name in ("method", "label", "note"):  # an empty cell of a CSV comes back as NaN
            if name in values:
                values[name] = "" if pd.isna(values[name]) else str(values[name])
        values["n"] = int(values.get("n", 0))
        return cls(**values)


GMWL = WaterLine(8.0, 10.0, label="GMWL", note="")
"""The global meteoric water line of Craig (1961), Science 133:1702,
doi:10.1126/science.133.3465.1702 (recalled, unchecked)."""


def fit_line(
    d18O: Any,
    d2H: Any,
    *,
    method: Method = "ols",
    amount: Any = None,
    d18O_sd: Any = None,
    d2H_sd: Any = None,
    label: str = "LMWL",
) -> WaterLine:
    """Fit a water line.

    Parameters
    ----------
    d18O, d2H : array of shape (n,)
        δ [‰ VSMOW]; samples that lack one of the two do not count.
    method : {"ols", "rma", "ma", "york", "huber", "theil-sen"}
        Estimator. ``rma`` and ``york`` allow for error in δ¹⁸O too; ``huber`` and ``theil-sen``
        for outliers.
    amount : array of shape (n,), optional
        Precipitation [mm]: weights ``ols``, ``rma`` and ``ma`` (PWLSR, PW-RMA, PW-MA).
    d18O_sd, d2H_sd : array of shape (n,) or float, optional
        Analytical standard deviations [‰], for ``york``.
    label : str
        What it is a line of.

    Returns
    -------
    WaterLine

    Raises
    ------
    StudyError
        If the method is unknown, or lacks or cannot use what was given.
    DataError
        If there are fewer than three complete samples, or they share one δ¹⁸O.

    References
    ----------
    Crawford, Hughes & Lykoudis (2014), J. Hydrol. 519:2331, doi:10.1016/j.jhydrol.2014.10.033 (DOI
    recalled, unchecked). York et al. (2004), Am. J. Phys. 72:367, doi:10.1119/1.1632486.

    Examples
    --------
    >>> line = fit_line([-20.0, -10.0, -5.0], [-150.0, -70.0, -31.0])
    >>> line.equation(), line.n
    ('δ²H = 7.94 δ¹⁸O + 9.00', 3)
    """
    _check_method(method, amount, d18O_sd, d2H_sd)
    given = {"x": d18O, "y": d2H, "amount": amount, "x_sd": d18O_sd, "y_sd": d2H_sd}
    arrays = _complete({k: v for k, v in given.items() if v is not None}, label)
    x, y, weights = arrays["x"], arrays["y"], arrays.get("amount")
    fit = _fit(method, arrays)
    share = np.full(len(x), 1.0 / len(x)) if weights is None else weights / weights.sum()
    rest = y - fit.slope * x - fit.intercept
    dx, dy = x - share @ x, y - share @ y
    squares = float(share @ dx**2) * float(share @ dy**2)
    return WaterLine(
        slope=fit.slope,
        intercept=fit.intercept,
        slope_se=float(np.sqrt(fit.slope_var)),
        intercept_se=float(np.sqrt(fit.intercept_var)),
        covariance=fit.covariance,
        r2=float(share @ (dx * dy)) ** 2 / squares if squares > 0 else float("nan"),
        rmse=float(np.sqrt(len(x) * (share @ rest**2) / (len(x) - 2))),
        n=len(x),
        method=_NAMES[method, weights is not None],
        label=label,
        note=fit.note or (_AMOUNTS if (method, weights is None) == ("ols", False) else ""),
    )


_AMOUNTS = (
    "the standard errors are the classical ones, which take amounts for precisions; those of the "
    "weighted RMA and MA do not and are wider"
)
_NAMES = {
    ("ols", False): "OLS",
    ("ols", True): "PWLSR",
    ("rma", False): "RMA",
    ("rma", True): "PW-RMA",
    ("ma", False): "MA",
    ("ma", True): "PW-MA",
    ("york", False): "York",
    ("huber", False): "Huber",
    ("theil-sen", False): "Theil-Sen",
}


def _fit(method: str, arrays: dict[str, Any]) -> Coefficients:
    x, y = arrays["x"], arrays["y"]
    if method == "york":
        return york(x, y, x_sd=arrays["x_sd"], y_sd=arrays["y_sd"])
    if method == "huber":
        return huber(x, y)
    if method == "theil-sen":
        return theil_sen(x, y)
    return moment_line(x, y, method=cast("MomentMethod", method), weights=arrays.get("amount"))


def _check_method(method: str, amount: Any, d18O_sd: Any, d2H_sd: Any) -> None:
    if method not in get_args(Method):
        raise StudyError(
            "unknown way to fit a line",
            found=f"'{method}'",
            do=nearest(str(method), list(get_args(Method))),
        )
    if amount is not None and (method, True) not in _NAMES:
        raise StudyError(
            f"'{method}' has no precipitation-weighted form",
            found="amount was given",
            do="Use ols, rma or ma with amounts, or leave the amounts out",
        )
    if method == "york" and (d18O_sd is None or d2H_sd is None):
        raise StudyError(
            "'york' needs the analytical errors",
            found="no d18O_sd or no d2H_sd",
            do="Give d18O_sd and d2H_sd (for example 0.1 and 0.6), or use rma",
        )


def _complete(given: dict[str, Any], label: str) -> dict[str, Any]:
    """Keep the rows that have everything, and refuse what no line can be drawn through."""
    size = np.size(given["x"])
    arrays = {k: np.broadcast_to(np.asarray(v, dtype=float), (size,)) for k, v in given.items()}
    whole = np.all([np.isfinite(v) for v in arrays.values()], axis=0)
    for name in {"amount", "x_sd", "y_sd"} & set(arrays):
        wrong = whole & ((arrays[name] < 0) if name == "amount" else (arrays[name] <= 0))
        if wrong.any():
            raise DataError(
                f"{'amounts' if name == 'amount' else 'standard deviations'} of '{label}' must be "
                f"{'0 or more' if name == 'amount' else 'above 0'}",
                found=f"{arrays[name][wrong][0]:g} (place {int(np.flatnonzero(wrong)[0]) + 1})",
                do="Correct the value or leave it empty",
            )
    arrays = {k: v[whole] for k, v in arrays.items()}
    counted = arrays["x"] if "amount" not in arrays else arrays["x"][arrays["amount"] > 0]
    if len(counted) < 3 or np.ptp(counted) == 0 or np.ptp(arrays["y"]) == 0:
        raise DataError(
            f"no line can be fitted to '{label}'",
            found=f"{len(counted)} complete samples, {len(np.unique(counted))} different δ¹⁸O, "
            f"{len(np.unique(arrays['y']))} different values over them",
            do="A line needs three samples or more that differ in both; widen the group, and "
            "look whether one was computed from the other",
        )
    return arrays
