"""The chapter "grids": the inputs on the study grid."""
