"""The chapter "network": station networks on the study grid."""
