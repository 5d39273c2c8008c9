"""Where observations are kept: one SQLite file, or a PostgreSQL server, behind one protocol."""
