"""Where the water came from: samples, water lines, evaporation, mixing, and the audit of tables.

Samples

- :func:`read_samples`, :func:`read_mixsiar`: tables of samples, checked; tables of one's own are
  checked, and grouped by altitude, layer, aspect and month, in :mod:`headwater.isotopes.samples`
- :func:`check_quality`: what cannot be; :func:`summarise`: means by group
- :func:`d_excess`, :func:`lc_excess`: distances from water lines

Water lines and evaporation

- :func:`fit_line`, :func:`fit_lines`, :class:`WaterLine`, :data:`GMWL`: lines with their errors;
  where they meet the meteoric one is in :mod:`headwater.isotopes.intersection`
- :func:`evaporated_fraction`, :class:`Climate`: how much evaporated, after Craig and Gordon

Mixing

- :func:`compose`, :func:`compose_stated`: end members and mixtures from samples, or from means
- :func:`polygon_test`: whether sources enclose the mixture; what else can be known at all is in
  :mod:`headwater.isotopes.mixing.source_checks` and :mod:`headwater.isotopes.mixing.bounds`
- :func:`mix_closed_form`: least squares with first-order errors
- :func:`mix_posterior`, :func:`mix_evaporated`, :func:`mix_hierarchical` with :class:`Effects`:
  Bayesian fractions of groups alone, after evaporation, or together; priors other than the flat
  one are in :mod:`headwater.isotopes.mixing.priors`
- :func:`mix_carrera`, :func:`emma`: uncertain end members (MIX), and how many there are

Published tables

- :func:`read_claims`, :func:`audit_tables`: what cannot be true
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
