"""Who opens what: told from a name's beginning or ending, a folder's files, a live object's package."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import convscope
from convscope.errors import ConvscopeWarning, InputError, NetworkFileError
from convscope.formats import openers
from convscope.formats.network_parts import NetworkParts
from convscope.formats.request import Request
from planted import planted_files, planted_network


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return planted_network().save(tmp_path / "planted.convscope")


def test_a_folder_with_one_network_is_that_network(saved: Path) -> None:
    (saved.parent / "README.md").write_text("a network")
    (saved.parent / "labels.json").write_text('["cat", "dog", "bird"]')
    shutil.copy(saved, saved.with_name("._planted.convscope"))  # hidden, as macOS leaves them
    assert convscope.open_network(saved.parent).origin.source == str(saved)
    shutil.copy(saved, saved.with_name("other.convscope"))
    with pytest.raises(
        NetworkFileError, match=r"holds several: other.convscope, planted.convscope. Name one"
    ):
        convscope.open_network(saved.parent)


def test_the_longest_ending_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``.caffemodel.h5`` is Caffe's, whoever opens the other ``.h5``."""
    others = {".h5": lambda request: pytest.fail("it is Caffe's")}
    monkeypatch.setattr(openers, "BY_SUFFIX", {**others, **openers.BY_SUFFIX})
    folder = planted_files(tmp_path / "planted")
    with pytest.warns(
        ConvscopeWarning, match=r"planted\.prototxt"
    ):  # the description found beside it is said
        assert convscope.open_network(folder / "planted.caffemodel.h5").labels == ("red", "green", "blue")


def test_labels_of_another_network_in_the_folder_are_left_aside(saved: Path) -> None:
    labels = saved.with_name("labels.txt")
    labels.write_text("cat\ndog\n")
    with pytest.warns(ConvscopeWarning, match=r"2 labels in .*labels.txt, but planted tells 3 .* left aside"):
        network = convscope.open_network(saved)
    assert network.labels == ("red", "green", "blue")
    assert labels not in network.origin.files
    with pytest.raises(InputError, match="2 labels"):
        convscope.open_network(saved, labels=labels)


def test_the_home_of_nobody_is_no_file() -> None:
    with pytest.raises(NetworkFileError, match="there is no such file"):
        convscope.open_network("~nobody-of-this-name/network.onnx")


def planted_parts() -> NetworkParts:
    network = planted_network()
    return NetworkParts(network.graph, network.origin, network.input_spec, network.labels)


def test_a_live_object_is_opened_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class made from one of that package's counts; of several packages, the table's first."""
    live = type("Live", (Request,), {})("in memory")
    monkeypatch.setattr(openers, "BY_PACKAGE", {"convscope": lambda request: planted_parts()})
    assert convscope.open_network(live).name == "planted"
    with pytest.raises(InputError, match="opened from a path, a model of convscope; found dict"):
        convscope.open_network({})


def test_a_prefix_with_a_colon_takes_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []

    def opener(request: Request) -> NetworkParts:
        found.append(request.source)
        return planted_parts()

    monkeypatch.setattr(openers, "BY_PREFIX", {"some:": opener, "whole": opener})
    for name in ("some:net", "whole"):
        convscope.open_network(name)
    assert found == ["some:net", "whole"]
    with pytest.raises(NetworkFileError, match="wholesale: there is no such file"):
        convscope.open_network("wholesale")


def test_what_a_network_has_no_use_for_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to do with weights: it holds its own"):
        Request("net.pb", weights="other").refuse("weights", because="it holds its own")
    Request("net.pb").refuse("weights", "rules", because="it holds its own")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": "other.png"}, "nothing to do with weights"),
        ({"rules": {"phase": "TRAIN"}}, "nothing to do with rules"),
        ({"input_shape": (1, 3, 64, 64)}, r"its input 'data' is \(1, 3, 32, 32\), as it was saved, not"),
        ({"input_shape": {"image": (1, 3, 8, 8)}}, "no input 'image' to give a shape to"),
        ({"input_shape": "x"}, "an input_shape is whole numbers from 1 on"),
        ({"input_shape": (1, -3, 0, 0)}, "an input_shape is whole numbers from 1 on"),
        ({"input_shape": (1, 3.0, 8, True)}, "an input_shape is whole numbers from 1 on"),
        ({"input_shape": 5}, "an input_shape is whole numbers from 1 on"),
    ],
)
def test_what_a_saved_network_is_told_in_vain_is_not_passed_over(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    file = planted_network().save(tmp_path / "net.convscope")
    (tmp_path / "other.png").touch()
    options = {name: str(tmp_path / one) if name == "weights" else one for name, one in options.items()}
    with pytest.raises(InputError, match=words):
        convscope.open_network(file, **options)
    assert convscope.open_network(file, input_shape=(1, 3, 32, 32)).input_spec is not None


def test_what_is_nearly_a_network_is_told_what_it_is() -> None:
    with pytest.raises(InputError, match=r"found the class Identity: give one of it, Identity\(\)"):
        convscope.open_network(nn.Identity)
    with pytest.raises(InputError, match=r"found weights alone \(a state_dict\): load them into a module"):
        convscope.open_network(nn.Linear(2, 2).state_dict())
    with pytest.raises(InputError, match=r"found dict$"):
        convscope.open_network({})
