"""Works that the detectors cite."""

from __future__ import annotations

__all__ = [
    "BENJAMINI1995",
    "FISHER1958",
    "HOLM1979",
    "SONG2020",
    "WAGNER2015",
    "WANG2010",
    "WANG2016",
]

WANG2010 = (
    "Wang, J. F., Li, X. H., Christakos, G., Liao, Y. L., Zhang, T., Gu, X., Zheng, X. Y. (2010). "
    "Geographical detectors-based health risk assessment and its application in the neural tube "
    "defects study of the Heshun region, China. International Journal of Geographical Information "
    "Science 24(1), 107-127. https://doi.org/10.1080/13658810802443457"
)
WANG2016 = (
    "Wang, J. F., Zhang, T. L., Fu, B. J. (2016). A measure of spatial stratified heterogeneity. "
    "Ecological Indicators 67, 250-256. https://doi.org/10.1016/j.ecolind.2016.02.052"
)
SONG2020 = (
    "Song, Y., Wang, J., Ge, Y., Xu, C. (2020). An optimal parameters-based geographical detector "
    "model enhances geographic characteristics of explanatory variables for spatial heterogeneity "
    "analysis: cases with different types of spatial data. GIScience & Remote Sensing 57(5), "
    "593-610. https://doi.org/10.1080/15481603.2020.1760434"
)
FISHER1958 = (
    "Fisher, W. D. (1958). On grouping for maximum homogeneity. Journal of the American "
    "Statistical Association 53, 789-798. https://doi.org/10.1080/01621459.1958.10501479"
)
HOLM1979 = (
    "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian "
    "Journal of Statistics 6(2), 65-70."
)
WAGNER2015 = (
    "Wagner, H. H., Dray, S. (2015). Generating spatially constrained null models for irregularly "
    "spaced data using Moran spectral randomization methods. Methods in Ecology and Evolution 6, "
    "1169-1178. https://doi.org/10.1111/2041-210X.12407"
)
BENJAMINI1995 = (
    "Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate: a practical and "
    "powerful approach to multiple testing. Journal of the Royal Statistical Society B 57(1), "
    "289-300. https://doi.org/10.1111/j.2517-6161.1995.tb02031.x"
)
