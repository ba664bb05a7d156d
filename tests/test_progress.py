"""Bars: on a terminal and in a notebook, where something takes long, and nowhere else."""

from __future__ import annotations

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

import convscope
from convscope import progress
from convscope.pictures.recipe import Recipe
from planted import edge_picture, planted_network


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in stderr's place, on which no bar waits two seconds."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(progress, "_DELAY", 0)
    return shown


def test_a_pipe_gets_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress.progress_bar(total=3).disable


def test_quick_work_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setattr(progress, "_DELAY", 2.0)
    with progress.progress_bar(total=3, mininterval=0) as bar:
        bar.update()
        assert not bar.disable
    assert not terminal.getvalue().strip()


def test_a_notebook_gets_one_though_it_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not progress.progress_bar(total=3, file=io.StringIO()).disable
    with progress.bars(False):
        assert progress.progress_bar(total=3, file=io.StringIO()).disable


def test_a_notebook_without_widgets_gets_the_plain_bar_and_no_word_in_red() -> None:
    """As Jupyter runs it: a shell with a kernel, and ipywidgets that cannot be imported.

    The bar is one display that changes and ends empty: of what is printed a saved notebook keeps every state.
    """
    code = (
        "import sys, types;"
        "shell = type('ZMQInteractiveShell', (), {'kernel': object()})();"
        "sys.modules['IPython'] = types.SimpleNamespace(get_ipython=lambda: shell);"
        "draw = lambda content, raw: print(content['text/plain'] or 'nothing');"
        "begin = lambda content, raw, display_id: draw(content, raw) or types.SimpleNamespace(update=draw);"
        "sys.modules['IPython.display'] = types.SimpleNamespace(display=begin);"
        "sys.modules['ipykernel.zmqshell'] = types.ModuleType('zmqshell');"
        "sys.modules['ipywidgets'] = sys.modules['IPython.html'] = None;"
        "from convscope.progress import progress_bar;"
        "bar = progress_bar(total=3, delay=0, mininterval=0); bar.update(); bar.close()"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert "1/3" in shown.stdout
    assert "\r" not in shown.stdout
    assert shown.stdout.splitlines()[-1] == "nothing"


def test_what_is_switched_off_stays_off_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch)
    with progress.bars(False), progress.bars(True):
        assert progress.progress_bar(total=3).disable
    assert not progress.progress_bar(total=3, delay=9).disable


@pytest.mark.parametrize("function", [convscope.occlusion, convscope.rise, convscope.smoothgrad])
def test_a_method_shows_how_far_it_is(function: object, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    network = planted_network()
    shown = function(network, edge_picture())  # type: ignore[operator]
    assert "run" in terminal.getvalue() or "batch" in terminal.getvalue()
    terminal.truncate(0)
    silent = function(network, edge_picture(), progress=False)  # type: ignore[operator]
    assert not terminal.getvalue().strip("\0")
    assert (shown.values == silent.values).all()
    assert isinstance(silent.recipe, Recipe) and "progress" not in silent.recipe.arguments


def test_dreams_and_features_show_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    network = planted_network()
    convscope.deep_dream(network, edge_picture(), "conv1", octaves=1, steps=2)
    convscope.feature_visualization(network, "conv1:0", steps=2, size=16)
    convscope.feature_sheet(network, "conv1", channels=1, steps=2, size=16)
    assert terminal.getvalue().count("step") >= 3
    terminal.truncate(0)
    convscope.deep_dream(network, edge_picture(), "conv1", octaves=1, steps=2, progress=False)
    convscope.feature_visualization(network, "conv1:0", steps=2, size=16, progress=False)
    convscope.feature_sheet(network, "conv1", channels=1, steps=2, size=16, progress=False)
    assert not terminal.getvalue().strip("\0")


def test_who_watches_gets_no_bar_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    seen: list[tuple[int, int]] = []
    convscope.occlusion(planted_network(), edge_picture(), watch=lambda done, of: seen.append((done, of)))
    assert seen and not terminal.getvalue()


def test_a_report_has_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    options = convscope.ReportOptions(sections=("filters", "evidence"))
    convscope.make_report(planted_network(), edge_picture(), options)
    assert "part" in terminal.getvalue() and "run" not in terminal.getvalue()
    terminal.truncate(0)
    convscope.make_report(planted_network(), edge_picture(), options, progress=False)
    assert not terminal.getvalue().strip("\0")
