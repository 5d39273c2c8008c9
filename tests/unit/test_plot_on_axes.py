"""Every plot can be a panel of somebody else's figure."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from headwater.errors import DataError
from headwater.figures import drawing_on, new_figure
from headwater.variation.results import ZoneSeries


def zones() -> ZoneSeries:
    rows = [("Elevation", "low", m, float(m), 4, 2) for m in range(1, 13)]
    table = pd.DataFrame(rows, columns=["division", "zone", "month", "mean", "cells", "years"])
    table.attrs = {"units": {"mean": "1"}, "variable": "theta", "long_name": "Soil moisture"}
    return ZoneSeries(table, "means")


def test_a_plot_takes_the_place_of_given_axes() -> None:
    figure, (left, right) = plt.subplots(1, 2)
    part = zones().plot(ax=right)
    assert right not in figure.axes
    assert left in figure.axes
    assert part in figure.subfigs
    assert part.axes[0].get_title(loc="left") == "Elevation"
    assert part.axes[0].images[0].get_array().tolist() == [[float(m) for m in range(1, 13)]]
    plt.close(figure)


def test_without_axes_the_plot_has_a_figure_of_its_own() -> None:
    assert zones().plot().get_size_inches()[0] == pytest.approx(7.0)


def test_axes_without_a_grid_have_no_room() -> None:
    figure = plt.figure()
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(DataError, match="no room"), drawing_on(ax):
        new_figure()
    plt.close(figure)
