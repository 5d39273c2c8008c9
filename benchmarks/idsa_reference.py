"""IDSA and SPADE against gdverse's published example: `python -m benchmarks.idsa_reference FILE`.

FILE is `inst/extdata/Depression.csv` of the R package gdverse (GPL-3, not kept here). Expected are
the figures printed in its vignettes "spade" and "idsa" (gdverse 1.5): weights by the inverse of the
distance on the ellipsoid, quantile classes, numbers of classes by its own rule.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from pyproj import Geod

from headwater.detector import spade
from headwater.detector.spatial_overlay import _candidates, _Field

PSMD = {
    "PopulationDensity": 0.21532238,
    "DrinkingPlaces": 0.18564821,
    "Casinos": 0.17438646,
    "Neighbor_Disadvantage": 0.17235706,
    "NatureParks": 0.17019859,
    "Population65": 0.15592529,
}
FIVE = ("PopulationDensity", "Population65", "NoHealthInsurance", "Beer", "MentalHealthPati")
PID = {
    (*FIVE, "NatureParks", "Casinos", "DrinkingPlaces"): 0.7273702,
    (*FIVE[:3], "Neighbor_Disadvantage", *FIVE[3:], "Casinos", "DrinkingPlaces"): 0.7265580,
    (*FIVE, "Casinos", "DrinkingPlaces"): 0.7249090,
    (
        *(*FIVE[:3], "Neighbor_Disadvantage", *FIVE[3:]),
        *("NatureParks", "Casinos", "DrinkingPlaces"),
    ): 0.7225422,
    (*FIVE[:2], "Neighbor_Disadvantage", *FIVE[3:], "Casinos"): 0.7199171,
}


def inverse_distances(places: pd.DataFrame) -> np.ndarray:
    """Weigh each pair of places by the inverse of their distance on the ellipsoid."""
    x, y = (places[name].to_numpy() for name in ("X", "Y"))
    one, two = np.triu_indices(len(places), 1)
    far = np.zeros((len(places),) * 2)
    far[one, two] = Geod(ellps="WGS84").inv(x[one], y[one], x[two], y[two])[2]
    far += far.T
    return np.divide(1.0, far, out=np.zeros_like(far), where=far > 0)


def main(path: str) -> None:
    table = pd.read_csv(path)
    weights, y = inverse_distances(table), table["Depression_prevelence"].to_numpy()
    values = {name: table[name].to_numpy(dtype=float) for name in table.columns[3:]}
    found = spade(y, values, weights).data.set_index("factor")["psmd"]
    for name, theirs in PSMD.items():
        print(f"{name}: {found[name]:.8f}, gdverse {theirs:.8f}")
    # of these sets alone: `idsa` would compute all 512 of nine factors
    field = _Field(y, weights, np.ones(y.shape))
    wanted = dict.fromkeys(name for names in PID for name in names)
    parts = {
        name: field.slowing(
            values[name], _candidates(name, values[name], "quantile", range(3, 9)), 0.05
        )
        for name in wanted
    }
    for names, theirs in PID.items():
        row = field.row(values, {name: parts[name] for name in names}, "and")
        print(f"{row['factors']}: {row['pid']:.7f}, gdverse {theirs:.7f}")


if __name__ == "__main__":
    main(sys.argv[1])
