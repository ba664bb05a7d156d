"""Sphinx's settings: plain Markdown (MyST) in, a site out; lessons and gallery are run, and their pictures are in it.

pip install ".[docs]"
sphinx-build -W docs out/docs
"""

import inspect
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # picture_scraper.py
os.environ["TQDM_DISABLE"] = "1"  # bars have no place on a page

_YEAR = re.compile(r"\((19|20)\d\d\)")
_ARRAY = re.compile(r"numpy\.ndarray\[tuple\[typing\.Any, \.\.\.\], numpy\.dtype\[(?:numpy\.)?(\w+)\]\]")
_MODULE = re.compile(r"\b(?:[a-z_]\w*\.)+(?=[A-Z]\w)")  # of a type, which is named without it

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
myst_enable_extensions = ["html_image"]  # <img width=...> is a picture of the site too
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
    "write_computation_times": False,
}
html_theme = "alabaster"
html_theme_options = {
    "description": "See what a convolutional network has learned",
    "page_width": "1240px",
    "body_max_width": "none",  # the lines of our examples are up to 110 letters long
    "sidebar_width": "240px",
    "code_font_size": "0.78em",
}
html_static_path = ["static"]


def _entry(name, found):
    if isinstance(found, type):
        return f".. autoclass:: convscope.{name}\n   :members:\n"
    if callable(found):
        return f".. autofunction:: convscope.{name}\n"
    return f".. automodule:: {found.__name__}\n   :members:\n   :no-index:\n"


def _add_source_and_example(_app, what, name, found, _options, lines):
    """Add the paragraphs of its module that name where a technique is from, and its example in the gallery."""
    public = name.removeprefix("convscope.")
    if what != "function" or "." in public:
        return
    own, module = "\n".join(lines), inspect.getdoc(sys.modules[found.__module__]) or ""
    for paragraph in module.split("\n\n"):
        if _YEAR.search(paragraph) and paragraph not in own:
            lines += ["", *paragraph.splitlines()]
    for options in dict.fromkeys(re.findall(r"`(\w+Options)`", own)):  # where its keywords are explained
        explained = inspect.getdoc(inspect.unwrap(found).__globals__.get(options))
        lines += ["", *(explained or "").splitlines()]
    for example in (Path(__file__).parent / "gallery").glob(f"*/{public}.py"):
        lines += ["", f":doc:`An example and its picture </auto_gallery/{example.parent.name}/{public}>`."]


def _plain_signature(_app, _what, _name, _found, _options, signature, returned):
    """Write a signature as a person would: arrays by what is in them, no modules, defaults that are words."""
    written = []
    for text in (signature, returned):
        text = text and _ARRAY.sub(r"NDArray[\1]", text.replace("~", ""))
        written.append(text and _MODULE.sub("", text).replace("<factory>", "..."))
    return tuple(written)


def _contents(index):
    """Yield the site's contents, a part for each bold line of the index, in its order; the gallery comes first."""
    yield "", ["auto_gallery/index"]
    _, *parts = re.split(r"^\*\*(.+)\*\*$", index, flags=re.MULTILINE)
    for caption, text in zip(parts[::2], parts[1::2], strict=True):
        yield caption, list(dict.fromkeys(re.findall(r"\]\(([\w/-]+)\.md", text)))


def setup(app):  # noqa: D103
    def add_contents(_app, name, source):  # the index stays readable on a code host, where a toctree is not
        if name == "index":
            for caption, pages in [*_contents(source[0])]:
                lines = [
                    "",
                    "",
                    "```{toctree}",
                    ":hidden:",
                    *([f":caption: {caption}"] if caption else []),
                    *pages,
                    "```",
                ]
                source[0] += "\n".join(lines)
            gallery = "[Every technique in one picture](auto_gallery/index), with the lines that make it. "
            source[0] = source[0].replace("Each page here", f"{gallery}Each page here", 1)
        if name == "api":  # one entry for each public name, whoever adds one
            import convscope

            entries = (_entry(name, getattr(convscope, name)) for name in convscope.__all__)
            source[0] += "\n".join(["\n\n```{eval-rst}", *entries, "```\n"])

    app.connect("source-read", add_contents)
    app.connect("autodoc-process-signature", _plain_signature)
    app.connect("autodoc-process-docstring", _add_source_and_example)
