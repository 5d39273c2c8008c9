"""Restoration: when, where, what, and whether the water carries it.

When?
    :func:`season_windows` finds, by place and year, when the season starts and when the soil dries
    out. From there :mod:`headwater.restoration.work_calendar` gives the days of each kind of work
    by altitude and aspect, :mod:`headwater.restoration.seasons` how much earlier the window
    closes in dry years, and :mod:`headwater.restoration.calendar_bands` how to plant.
What?
    :func:`read_profile` reads measures with their sources, from which
    :mod:`headwater.restoration.measures` chooses by grade, refusing what slope, permafrost,
    protection or carrying capacity forbid.
Rain harvesting
    :func:`design_earthwork` sizes pits and terraces; its parts are in
    :mod:`headwater.restoration.earthwork_design` and
    :mod:`headwater.restoration.earthwork_design`.
The plan
    :func:`read_units`, :func:`make_plan`, :func:`plan_table`, :func:`write_plan`; as a file that
    people change, with a trail: :func:`save_plan`, :func:`load_plan`, :func:`change_plan`.
Did it work?
    :func:`evaluate_plan`; :func:`estimate_treatment_effect`, :func:`matched_controls`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
