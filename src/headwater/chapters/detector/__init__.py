"""The chapter "detector": what drives the pattern."""
