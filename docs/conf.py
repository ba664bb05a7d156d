"""Sphinx's settings: plain Markdown (MyST) in, a site out; the lessons are run, and their pictures are in it.

pip install ".[docs]"
sphinx-build -W docs out/docs
"""

import os
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"  # bars have no place on a page

project = "convscope"
copyright = "convscope contributors"
author = "convscope contributors"
extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "auto"
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
myst_heading_anchors = 3
exclude_patterns = ["examples.py", "make_pictures.py"]
html_theme = "alabaster"
html_theme_options = {"description": "See what a convolutional network has learned", "page_width": "1080px"}
html_static_path: list[str] = []


def _entry(name, found):
    if isinstance(found, type):
        return f".. autoclass:: convscope.{name}\n   :members:\n"
    if callable(found):
        return f".. autofunction:: convscope.{name}\n"
    return f".. automodule:: {found.__name__}\n   :members:\n   :no-index:\n"


def setup(app):  # noqa: D103
    def add_contents(_app, name, source):  # the index stays readable on a code host, where a toctree is not
        if name == "index":
            folder = Path(__file__).parent
            found = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.md"))
            pages = sorted(page for page in found if page != "index")
            source[0] += "\n".join(["\n\n```{toctree}", ":hidden:", *pages, "```\n"])
        if name == "api":  # one entry for each public name, whoever adds one
            import convscope

            entries = (_entry(name, getattr(convscope, name)) for name in convscope.__all__)
            source[0] += "\n".join(["\n\n```{eval-rst}", *entries, "```\n"])

    app.connect("source-read", add_contents)
