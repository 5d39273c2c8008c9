"""The audit of printed tables: what cannot be true in them."""
