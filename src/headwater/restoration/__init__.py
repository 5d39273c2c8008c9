"""Restoration: when, where, what, and whether the water carries it.

When?
    :func:`season_windows` finds, by place and year, when the season starts and when the soil dries
    out; :func:`fit_seasons` fits that by altitude, aspect and year; :func:`calendar_table` and
    :func:`work_days` give the days of each kind of work; :func:`dry_year_shift` how much earlier
    the window closes in dry years; :func:`planting_method` how to plant.
What?
    :func:`advise` chooses measures by grade from a profile with sources (:func:`read_profile`) and
    refuses what slope, permafrost, protection or carrying capacity forbid.
Rain harvesting
    :func:`design_earthwork`, :func:`season_harvest`; :func:`runoff_cut`, :func:`storm_runoff`,
    :func:`earthwork_refusals`.
The plan
    :func:`read_units`, :func:`make_plan`, :func:`plan_table`, :func:`write_plan`; as a file that
    people change, with a trail: :func:`save_plan`, :func:`load_plan`, :func:`change_plan`,
    :func:`merge_plan`.
Did it work?
    :func:`evaluate_plan`; :func:`estimate_treatment_effect`, :func:`matched_controls`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
