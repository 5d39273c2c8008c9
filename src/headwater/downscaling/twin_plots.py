"""Figure of the twin: each measure of each method, one mark a draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.figures import CATEGORY, MUTED, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from headwater.downscaling.twin_experiment import TwinResult

__all__ = ["draw_twin"]

_PANELS = {
    "rmse": "RMSE (m³ m⁻³)",
    "ubrmse": "Unbiased RMSE (m³ m⁻³)",
    "r": "R in time",
    "r_within": "R within cells",
}
_NAMES = {"nearest": "Nearest cell", "pipeline": "Downscaled", "oracle": "Oracle"}
_COLORS = {"nearest": MUTED, "pipeline": CATEGORY[0], "oracle": CATEGORY[2]}


def draw_twin(result: TwinResult) -> Figure:
    """Draw RMSE, unbiased RMSE and correlations of nearest cell, pipeline and oracle.

    Parameters
    ----------
    result : TwinResult
        Of at least two draws.

    Returns
    -------
    Figure
    """
    table = result.data
    with house_style():
        figure = new_figure(8.0, 3.2)
        figure.suptitle(
            "Skill to expect at the fine scale, on twins with known truth",
            x=0.01,
            ha="left",
            fontsize=10,
            fontweight="bold",
        )
        for axes, (name, label) in zip(figure.subplots(1, 4), _PANELS.items(), strict=True):
            for place, method in enumerate(_NAMES):
                own = table[table["method"] == method]
                axes.bar(place, own[name].mean(), width=0.62, color=_COLORS[method], alpha=0.35)
                offset = [(i - (len(own) - 1) / 2) * 0.4 / len(own) for i in range(len(own))]
                axes.plot(
                    [place + one for one in offset],
                    own[name],
                    "o",
                    markersize=4,
                    color=_COLORS[method],
                )
            axes.set_xticks(range(len(_NAMES)), list(_NAMES.values()), rotation=35, ha="right")
            axes.set_title(label, fontsize=9, fontweight="normal")
            if name in ("r", "r_within"):
                axes.set_ylim(min(0.0, float(table[name].min()) * 1.1), 1.0)
    return figure
