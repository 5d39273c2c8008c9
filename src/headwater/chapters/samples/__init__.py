"""The chapter "samples": where the water came from, from a table of isotope samples."""
