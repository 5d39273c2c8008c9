"""Early warning: drought and degradation, with a rate of false alarms that is chosen.

How dry is it, for the time of the year?
    :func:`seasonal_percentile` with :func:`drought_class` (US Drought Monitor),
    :func:`standardise` (SPI, SPEI, SSI; :func:`fit_standardisation` keeps the distributions for new
    values), :func:`soil_water_deficit_index`, :func:`moisture_deficit_index`,
    :func:`find_flash_droughts`, :func:`days_of_supply`.
Is vegetation losing more than season and water explain?
    :func:`fit_baseline` learns each place's history, :func:`calibrate_thresholds` sets the rate of
    false alarms, :func:`innovations` and :func:`update_chart` take each new date in, and
    :func:`climb` moves places from watch to warning to confirmed.
What would others have found?
    :func:`monitor_structure` (BFAST), :func:`critical_slowing_down` (a layer, never an alert).
How good was it?
    :func:`score_detector`.

How long until a false alarm, and thresholds for one, are in :mod:`headwater.warning.run_length`;
the options of each function are classes in its module.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
