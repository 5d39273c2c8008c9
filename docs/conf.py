"""Settings of the documentation site; `make docs` builds it, and warnings are errors."""

from importlib.metadata import version as installed_version
from typing import NoReturn

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

project = "Headwater"
author = "The Headwater developers"
copyright = "The Headwater developers"
release = installed_version("headwater")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "gallery/README.rst"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# links to files of the repository that are not pages of the site
suppress_warnings = ["config.cache"]

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's parameters carry the types
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "matplotlib_animations": False,
    "abort_on_example_error": True,
}

# equations as MathML: MathJax would be fetched from another host, and the site is read offline
html_math_renderer = "mathml"

html_theme = "pydata_sphinx_theme"
html_title = "Headwater"
html_static_path = ["_static"]
html_css_files = ["headwater.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 8,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

autosummary_ignore_module_all = False
autosummary_imported_members = True


def _inline(page: HTML5Translator, node: nodes.Element) -> NoReturn:
    page.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(page: HTML5Translator, node: nodes.Element) -> NoReturn:
    page.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Tell Sphinx how equations are written."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
