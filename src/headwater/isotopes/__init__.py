"""Where the water came from: samples, water lines, evaporation, mixing, and the audit of tables.

Samples

- :func:`read_samples`, :func:`read_mixsiar`, :func:`check_samples`: tables of samples, checked
- :func:`add_groups`: altitude bands, soil layers, aspect, month; :func:`check_quality`: what cannot
  be; :func:`summarise`: means by group
- :func:`d_excess`, :func:`lc_excess`: distances from water lines

Water lines and evaporation

- :func:`fit_line`, :func:`fit_lines`, :class:`WaterLine`, :data:`GMWL`: lines with their errors
- :func:`crossings`: where lines meet the meteoric one
- :func:`evaporated_fraction`, :class:`Climate`: how much evaporated, after Craig and Gordon

Mixing

- :func:`compose`, :func:`compose_stated`: end members and mixtures from samples, or from means
- :func:`polygon_test`, :func:`identifiability`, :func:`feasible_bounds`: what can be known at all
- :func:`mix_closed_form`: least squares with first-order errors
- :func:`mix_posterior`, :func:`mix_evaporated`, :func:`mix_hierarchical` with :class:`Effects` and
  :func:`dirichlet_prior`: Bayesian fractions of groups alone, after evaporation, or together
- :func:`mix_carrera`, :func:`emma`: uncertain end members (MIX), and how many there are

Published tables

- :func:`read_claims`, :func:`audit_tables`: what cannot be true
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
