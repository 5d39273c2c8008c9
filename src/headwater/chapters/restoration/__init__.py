"""The chapter on restoration: calendar, measures by unit, rain harvesting and the work plan."""
