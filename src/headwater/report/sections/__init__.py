"""The chapters of the report, one file per room."""
