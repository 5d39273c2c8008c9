"""Fractions of source waters in a mixture: closed form, bounds, Bayesian, end members."""
