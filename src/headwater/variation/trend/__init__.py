"""Tests and slopes of trends, side by side on the true time axis."""
