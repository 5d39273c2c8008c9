"""
Where the water came from
=========================

Isotopes of rain, rivers and soil water, with the local meteoric water line.
"""

import matplotlib.pyplot as plt

from headwater.isotopes import fit_line
from headwater.virtual import make_headwater

here = make_headwater(seed=1, shape=(12, 28), years=(2019, 2019))
samples = here.samples
rain = samples[samples["water"] == "precipitation"]
line = fit_line(rain["d18O"], rain["d2H"])

figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
for kind, group in samples.groupby("water"):
    axes.scatter(group["d18O"], group["d2H"], s=8, alpha=0.6, label=kind.replace("_", " "))
axes.axline((0, line.intercept), slope=line.slope, color="black", lw=1, label=line.equation())
axes.set(xlabel="δ¹⁸O [‰]", ylabel="δ²H [‰]")
axes.legend(frameon=False, fontsize=8)
