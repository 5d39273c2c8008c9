"""Alerts over the observations: rules, events with evidence, an outbox, ways to people.

Read and try rules
    :func:`read_rules`; what a rule would have sent on past data is in
    :mod:`headwater.alerts.events`.
Watch
    :func:`evaluate` takes new observations in and puts messages in the outbox, in one transaction;
    :func:`deliver` sends what is due, one process at a time.
See to alerts
    :func:`list_alerts`, :func:`acknowledge`.
    For other systems, :mod:`headwater.alerts.cap` writes CAP 1.2.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
