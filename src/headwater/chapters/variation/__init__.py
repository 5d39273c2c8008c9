"""The chapter "variation": how soil moisture changes, in time and from place to place."""
