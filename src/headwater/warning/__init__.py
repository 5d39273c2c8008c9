"""Early warning: drought and degradation, with a rate of false alarms that is chosen.

How dry is it, for the time of the year?
    :func:`seasonal_percentile` with :func:`drought_class` (US Drought Monitor),
    :func:`standardise` (SPI, SPEI, SSI; distributions kept for new values are in
    :mod:`headwater.warning.standardised`), :func:`find_flash_droughts`; indices of deficit and
    the days of supply are in :mod:`headwater.warning.drought`.
Is vegetation losing more than season and water explain?
    :func:`fit_baseline` learns each place's history, :func:`calibrate_thresholds` sets the rate of
    false alarms, and :func:`innovations` are what each new date adds. They are summed up in
    :mod:`headwater.warning.charts`; :mod:`headwater.warning.ladder` moves places from watch to
    warning to confirmed.
What would others have found?
    :func:`monitor_structure` (BFAST), :func:`critical_slowing_down` (a layer, never an alert).
How good was it?
    :func:`score_detector`, for the alarms of any detector.

How long until a false alarm, and thresholds for one, are in :mod:`headwater.warning.run_length`;
the options of each function are classes in its module.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
