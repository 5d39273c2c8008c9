"""What a whole detection found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from headwater.detector.results import (
    AssociationResult,
    ContrastResult,
    EcologicalResult,
    FactorResult,
    InteractionResult,
    OptimalResult,
    RiskMaps,
    RiskResult,
    SearchResult,
)
from headwater.detector.strata import Strata
from headwater.results import Result

__all__ = ["Detection"]


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What all detectors found.

    Attributes
    ----------
    strata : dict of str to Strata
        The partitions used.
    optimal, factor, risk, contrasts, association : TableResult
        See the functions of the same names.
    search : SearchResult or None
        The test of the whole search; None where there are too many units for it.
    interaction, ecological : TableResult or None
        None with a single factor.
    maps : RiskMaps or None
        None where the input was a table.
    """

    strata: Mapping[str, Strata]
    optimal: OptimalResult
    factor: FactorResult
    interaction: InteractionResult | None
    risk: RiskResult
    contrasts: ContrastResult
    ecological: EcologicalResult | None
    association: AssociationResult
    maps: RiskMaps | None
    search: SearchResult | None = None

    def results(self) -> dict[str, Result]:
        """Gather what there is, by name.

        Returns
        -------
        dict of str to Result
        """
        names = ("optimal", "factor", "interaction", "risk", "contrasts", "ecological")
        every = {name: getattr(self, name) for name in (*names, "association", "search", "maps")}
        return {name: result for name, result in every.items() if result is not None}

    def with_choices(self, choices: Sequence[str]) -> Detection:
        """Put what was chosen before the detection in front of its own choices.

        Parameters
        ----------
        choices : sequence of str
            Sentences.

        Returns
        -------
        Detection
        """
        return replace(self, factor=replace(self.factor, choices=(*choices, *self.factor.choices)))
