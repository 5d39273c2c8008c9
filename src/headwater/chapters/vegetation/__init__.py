"""The chapter on vegetation."""
