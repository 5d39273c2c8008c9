"""Where the water came from: samples, water lines, evaporation, and the audit of tables."""

from __future__ import annotations

from headwater.isotopes.audit import RULES, audit_tables, published_study, read_claims
from headwater.isotopes.audit_case import Case, Claims, prepare, printed
from headwater.isotopes.audit_lines import line_crossings, recover_labels
from headwater.isotopes.envelope import Envelope, judge_lines, slope_envelope
from headwater.isotopes.evaporation import (
    Climate,
    Enrichment,
    Loss,
    craig_gordon,
    evaporated_fraction,
    evaporation_loss,
    evaporation_slope,
    pressure,
    relative_humidity,
    residual_water,
    saturation_pressure,
)
from headwater.isotopes.excess import d_excess, d_excess_sd, lc_excess, lc_excess_normalised
from headwater.isotopes.fractionation import (
    ISOTOPES,
    equilibrium_alpha,
    equilibrium_enrichment,
    kinetic_enrichment,
    vapour_from_rain,
)
from headwater.isotopes.intersection import Crossing, bootstrap_crossing, crossings, intersect
from headwater.isotopes.lines import GMWL, WaterLine, fit_line
from headwater.isotopes.quality import check_quality, robust_distance
from headwater.isotopes.reading import MixsiarFiles, average_replicates, read_mixsiar, read_samples
from headwater.isotopes.results import (
    AuditReport,
    CrossingTable,
    GroupTests,
    LineTable,
    QualityReport,
    SampleSummary,
    SampleTable,
    SlopeTests,
)
from headwater.isotopes.samples import (
    COLUMNS,
    NUMBERS,
    WATERS,
    Water,
    add_groups,
    check_samples,
    group_label,
    group_rows,
    water,
)
from headwater.isotopes.slopes import equal_slopes, fit_lines, holm
from headwater.isotopes.summary import add_excess, compare_groups, summarise

__all__ = [
    "AuditReport",
    "COLUMNS",
    "Case",
    "Claims",
    "Climate",
    "Crossing",
    "CrossingTable",
    "Enrichment",
    "Envelope",
    "GMWL",
    "GroupTests",
    "ISOTOPES",
    "LineTable",
    "Loss",
    "MixsiarFiles",
    "NUMBERS",
    "QualityReport",
    "RULES",
    "SampleSummary",
    "SampleTable",
    "SlopeTests",
    "WATERS",
    "Water",
    "WaterLine",
    "add_excess",
    "add_groups",
    "audit_tables",
    "average_replicates",
    "bootstrap_crossing",
    "check_quality",
    "check_samples",
    "compare_groups",
    "craig_gordon",
    "crossings",
    "d_excess",
    "d_excess_sd",
    "equal_slopes",
    "equilibrium_alpha",
    "equilibrium_enrichment",
    "evaporated_fraction",
    "evaporation_loss",
    "evaporation_slope",
    "fit_line",
    "fit_lines",
    "group_label",
    "group_rows",
    "holm",
    "intersect",
    "judge_lines",
    "kinetic_enrichment",
    "lc_excess",
    "lc_excess_normalised",
    "line_crossings",
    "prepare",
    "pressure",
    "printed",
    "published_study",
    "read_claims",
    "read_mixsiar",
    "read_samples",
    "recover_labels",
    "relative_humidity",
    "residual_water",
    "robust_distance",
    "saturation_pressure",
    "slope_envelope",
    "summarise",
    "vapour_from_rain",
    "water",
]
