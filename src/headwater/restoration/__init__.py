"""Restoration: when, where, what, and whether the water carries it.

When?
    :func:`fit_season_start` gives the start of season by altitude, aspect and year;
    :func:`work_window` the deadline of each kind of work; :func:`planting_method` how to plant.
What?
    :func:`advise` chooses measures by grade from a profile with sources (:func:`read_profile`) and
    refuses what slope, permafrost, protection or carrying capacity forbid.
Rain harvesting
    :func:`pit_layout`, :func:`runoff_cut`, :func:`storm_runoff`, :func:`earthwork_refusals`.
The plan
    :func:`make_plan`, :func:`move_line`, :func:`plan_table`, :func:`write_plan`.
Did it work?
    :func:`estimate_treatment_effect`, :func:`matched_controls`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
