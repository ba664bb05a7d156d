"""Sphinx's settings: plain Markdown (MyST) in, a site out; lessons and gallery are run, and their pictures are in it.

pip install ".[docs]"
sphinx-build -W docs out/docs
"""

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # what stands beside this file

import landing
import reference

os.environ["TQDM_DISABLE"] = "1"  # bars have no place on a page
_SENT_TO_THE_END = re.compile(
    r"^\.\. only:: html\n\n    \.\. note::\n(?:(?: {4}.*)?\n)+", re.M
)  # of a ten-line page

project = "convscope"
copyright = "convscope contributors"
author = "convscope contributors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_gallery.gen_gallery"]
nb_execution_mode = "auto"
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
myst_heading_anchors = 3
myst_enable_extensions = ["html_image", "colon_fence"]  # <img width=...> is a picture of the site too
exclude_patterns = ["gallery", "auto_gallery/**/*.ipynb"]  # the sources, and notebooks for readers
default_role = "py:obj"  # `filters` in a docstring or an example leads to its entry
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"\.py$",
    "image_scrapers": ("picture_scraper",),
    "capture_repr": (),
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "thumbnail_size": (400, 280),
    "write_computation_times": False,
}
html_theme = "alabaster"
html_theme_options = {
    "description": "See what a convolutional network has learned",
    "page_width": "1240px",
    "body_max_width": "none",  # the lines of our examples are up to 110 letters long
    "sidebar_width": "240px",
    "code_font_size": "0.78em",
    "font_family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif",
    "head_font_family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif",
    "font_size": "16px",
}
html_static_path = ["static"]
html_favicon = "../src/convscope/web/static/icon.svg"
templates_path = ["templates"]


def _add_to_pages(app, name, source):
    """Make of the pages' sources what they are on the site alone; they stay readable on a code host."""
    if name == "index":
        source[0] = landing.site_index(source[0], Path(app.srcdir))
    if name == "api":
        source[0] += reference.entries()
    if name.startswith("auto_gallery/"):
        source[0] = _SENT_TO_THE_END.sub("", source[0])


def setup(app):  # noqa: D103
    app.connect("source-read", _add_to_pages)
    app.connect("autodoc-process-signature", reference.plain_signature)
    app.connect("autodoc-process-docstring", reference.add_source_and_example)
