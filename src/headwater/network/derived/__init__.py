"""Series derived from observations: means of intervals, water stored in a layer, frozen ground."""
