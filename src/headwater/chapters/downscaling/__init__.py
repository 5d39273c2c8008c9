"""The chapter "downscaling": satellite soil moisture on a finer grid."""
