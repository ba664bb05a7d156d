"""Sphinx's settings: plain Markdown (MyST) in, a site out.

pip install sphinx myst-parser
sphinx-build docs out/docs
"""

from pathlib import Path

project = "convscope"
copyright = "convscope contributors"
author = "convscope contributors"
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["examples.py", "make_pictures.py"]
html_theme = "alabaster"
html_theme_options = {"description": "See what a convolutional network has learned", "page_width": "1080px"}
html_static_path: list[str] = []


def setup(app):  # noqa: D103
    def add_contents(_app, name, source):  # the index stays readable on a code host, where a toctree is not
        if name == "index":
            pages = sorted(path.stem for path in Path(__file__).parent.glob("*.md") if path.stem != "index")
            source[0] += "\n".join(["\n\n```{toctree}", ":hidden:", *pages, "```\n"])

    app.connect("source-read", add_contents)
