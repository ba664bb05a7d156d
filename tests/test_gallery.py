"""The gallery: each example makes one picture, techniques have one, and the whole site builds without a warning."""

import inspect
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import convscope
from convscope.pictures.as_picture import AsPicture

DOCUMENTATION = Path(__file__).resolve().parents[1] / "docs"
EXAMPLES = sorted((DOCUMENTATION / "gallery").glob("*/*.py"))
PICTURES = {"Picture", "Attribution", "Attributions", "RelevanceTree", "Importance"}
WITHOUT = {"show_output", "rerun"}  # they show again what others made


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_makes_one_picture(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture = runpy.run_path(str(example))["picture"]
    assert isinstance(picture, (convscope.Picture, AsPicture))
    assert picture.caption
    assert min(picture.array.shape[:2]) >= 64
    assert picture.array.std() > 0
    assert not list(tmp_path.iterdir())


def test_techniques_have_examples() -> None:
    text = "".join(example.read_text(encoding="utf-8") for example in EXAMPLES)
    techniques = {
        name
        for name in convscope.__all__
        if inspect.isfunction(function := getattr(convscope, name))
        and str(inspect.signature(function).return_annotation) in PICTURES
    }
    assert {name for name in techniques if f"convscope.{name}(" not in text} == WITHOUT


def test_every_section_has_a_heading() -> None:
    assert all((example.parent / "GALLERY_HEADER.rst").is_file() for example in EXAMPLES)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Without running its lessons and but one of its examples, which are run as tests."""
    pytest.importorskip(
        "sphinx_gallery", reason="the packages of the site are not installed (convscope[docs])"
    )
    pytest.importorskip("myst_nb")
    one = "sphinx_gallery_conf.filename_pattern=1_look/values"
    unrun = ("-D", one, "-D", "nb_execution_mode=off", "-D", "suppress_warnings=myst-nb.lexer")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        *unrun,
        str(DOCUMENTATION),
        str(tmp_path),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "auto_gallery" / "index.html").is_file()
    shown = (tmp_path / "auto_gallery" / "1_look" / "values.html").read_text(encoding="utf-8")
    picture = re.search(r'src="../../(_images/sphx_glr_values_001\.png)"', shown)
    assert picture and Image.open(tmp_path / picture[1]).size > (64, 64)
    assert '<p class="caption">' in shown and "Go to the end" not in shown
    first = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert first.count("<figure") == (DOCUMENTATION / "index.md").read_text(encoding="utf-8").count("[<img")
    reference = (tmp_path / "api.html").read_text(encoding="utf-8")
    words = re.sub(r"<[^>]+>", "", reference)
    listed = {f"convscope.{name}" for name in convscope.__all__}
    listed |= {f"convscope.objectives.{name}" for name in convscope.objectives.__all__}
    for name in listed:
        assert reference.count(f'id="{name}"') + reference.count(f'id="module-{name}"') == 1, name
    assert not re.findall(r"numpy\.(?:_typing|ndarray\[tuple)", words)
