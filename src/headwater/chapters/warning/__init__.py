"""The chapter "warning": drought and degradation, with a set rate of false alarms."""
