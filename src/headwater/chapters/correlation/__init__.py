"""The chapter "correlation": with what it varies."""
