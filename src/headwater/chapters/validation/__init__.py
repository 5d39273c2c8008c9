"""The chapter "validation": products compared with stations."""
