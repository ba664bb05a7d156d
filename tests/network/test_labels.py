"""Labels in the forms people have them, and classes found by what people type."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from convscope.errors import NetworkFileError, UnknownLayer
from convscope.formats.opening import open_network
from convscope.network.labels import Label, find_label, imagenet_labels, inception_labels, read_labels

NAMES = ("tench, Tinca tinca", "goldfish, Carassius auratus", "carpenter's kit, tool kit")
IDS = ("n01440764", "n01443537", "n02966687")


def test_imagenet_in_caffes_order(shared_data: Path) -> None:
    labels = imagenet_labels()
    lines = (shared_data / "labels" / "synset_words.txt").read_text().splitlines()
    assert [f"{label.synset} {label.names}" for label in labels] == [line.strip() for line in lines]
    assert (len(labels), labels[281], labels[0], labels[999]) == (1000, "tabby", "tench", "toilet tissue")
    assert list(labels) == [line.split(" ", 1)[1].split(",")[0] for line in lines]


def test_real_files_of_labels(shared_data: Path) -> None:
    folder = shared_data / "labels"
    words = read_labels(folder / "synset_words.txt")
    assert words == imagenet_labels()
    assert [label.synset for label in words] == [label.synset for label in imagenet_labels()]
    quoted = read_labels(folder / "synset.txt")
    assert [label.synset for label in quoted] == [label.synset for label in words]
    assert sum(a == b for a, b in zip(quoted, words, strict=True)) > 990
    inception = read_labels(folder / "imagenet_comp_graph_label_strings.txt")
    assert (len(inception), inception[0], inception[1], inception[1].synset) == (
        1001,
        "dummy",
        "kit fox",
        None,
    )


FORMS = {
    "synset_words": "".join(f"{i} {n}\n" for i, n in zip(IDS, NAMES, strict=True)),
    "quoted": "".join(
        f"'{i} {n}'\n" for i, n in zip(IDS, (NAMES[0], NAMES[1], NAMES[2].replace("'", "''")), strict=True)
    ),
    "windows": "\ufeff" + "\r\n".join(f"{i}\t{n}" for i, n in zip(IDS, NAMES, strict=True)),
    "json list": json.dumps([f"{i} {n}" for i, n in zip(IDS, NAMES, strict=True)]),
    "json object": json.dumps({str(k): [i, n] for k, (i, n) in enumerate(zip(IDS, NAMES, strict=True))}),
    "python": "{0: 'n01440764 tench, Tinca tinca',\n 1: 'n01443537 goldfish, Carassius auratus',\n"
    ' 2: "n02966687 carpenter\'s kit, tool kit"}',
    "csv": 'index,label\n0,"n01440764 tench, Tinca tinca"\n2,"n02966687 carpenter\'s kit, tool kit"\n'
    '1,"n01443537 goldfish, Carassius auratus"\n',
    "from one": "".join(f"{k}: {i} {n}\n" for k, (i, n) in enumerate(zip(IDS, NAMES, strict=True), 1)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_labels(form: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(FORMS[form], encoding="utf-8")
    labels = read_labels(path)
    assert labels == ("tench", "goldfish", "carpenter's kit")
    assert tuple(label.names for label in labels) == NAMES
    assert tuple(label.synset for label in labels) == IDS


def test_a_name_a_line_may_hold_spaces_digits_and_any_alphabet(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("chat\n7 nains\n犬\n\nlast one\n", encoding="utf-8")
    assert read_labels(path) == ("chat", "7 nains", "犬", "last one")
    path.write_bytes("für\n".encode("latin-1"))
    assert read_labels(path) == ("für",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no labels; write one class a line"),
        (b"\n\n", "holds no labels"),
        (b"[]", "holds no labels"),
        (b'["a", "b"', "begins like JSON, but is not"),
        (b"\x89HDF\0\0", "binary data"),
        (b"0,a\n2,b\n", "have to run on from 0 or 1; number 1 is missing"),
        (b"5,a\n6,b\n", "they begin at 5"),
        (b'{"cat": "dog"}', "maps names, not class numbers"),
        (
            b'{"0": "cat", "' + b"1" * 5000 + b'": "dog"}',
            "maps names, not class numbers, to labels: '1{40}'$",
        ),
        (b"[1e9999999, " + b"1" * 5000 + b"]", "not: a whole number in it has thousands of digits$"),
        (b"[" * 100_000, "not: what is in it lies too deep in itself$"),
        (b"[1, 2]", "label 0 is a int, not a name"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(NetworkFileError, match=words) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_of_labels(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match="No such file"):
        read_labels(tmp_path / "missing.txt")
    with pytest.raises(NetworkFileError, match="is a folder"):
        read_labels(tmp_path)


@given(st.binary(max_size=300))
def test_random_files_give_labels_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.txt"
    path.write_bytes(content)
    try:
        labels = read_labels(path)
    except NetworkFileError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(label, Label) for label in labels)


@pytest.mark.parametrize(
    ("text", "index"),
    [("tabby", 281), ("281", 281), ("n02123045", 281), ("TABBY", 281), ("tabby cat", 281), (" tiger cat ", 282),
     ("Cardigan", 264), ("cardigan", 474), ("Carassius auratus", 1), ("goldf", None), ("Siamese", 284), ("daisy", 985)],
)  # fmt: skip
def test_a_class_is_found_by_what_people_type(text: str, index: int | None) -> None:
    if index is None:
        with pytest.raises(
            UnknownLayer, match=r"none of the 1000 classes is called 'goldf'\. Did you mean 'goldfish'"
        ):
            find_label(imagenet_labels(), text)
    else:
        assert find_label(imagenet_labels(), text) == index


def test_an_ambiguous_name_lists_the_classes() -> None:
    with pytest.raises(
        UnknownLayer, match=r"'crane' may be 2 classes: crane \(134\), crane \(517\); give the number"
    ):
        find_label(imagenet_labels(), "crane")
    with pytest.raises(UnknownLayer, match=r"'dog' may be \d+ classes: .* and \d+ more; give the number"):
        find_label(imagenet_labels(), "dog")


@pytest.mark.parametrize("text", ["", "1000", "(", "\\", "quark"])
def test_what_no_class_is_called(text: str) -> None:
    with pytest.raises(UnknownLayer, match="none of the 1000 classes is called"):
        find_label(imagenet_labels(), text)


@pytest.mark.parametrize(("start", "one", "end"), [("", "a\n", ""), ('["', 'a", "', 'a"]')])
def test_more_labels_than_any_network_has_are_refused(tmp_path: Path, start: str, one: str, end: str) -> None:
    """Each would become an object: a list of 4 MB took a gigabyte."""
    path = tmp_path / "labels.txt"
    path.write_text(start + one * 500_001 + end)
    with pytest.raises(
        NetworkFileError, match=r"holds 500,00[12] labels; no network tells so many classes apart"
    ):
        read_labels(path)


@pytest.mark.parametrize("one", ["abc\n", "\n", "[],", "a"])
def test_a_large_file_that_holds_no_labels_takes_little_memory(tmp_path: Path, one: str) -> None:
    """64 MB of it took 1.6 GB before they were refused, a line without end a quarter of that."""
    path, size = tmp_path / "labels.txt", 64_000_000
    with path.open("w") as file:
        file.write("[" if "," in one else "")
        file.writelines([one * (10**6 // len(one))] * (size // 10**6))
    tracemalloc.start()
    try:
        with pytest.raises(
            NetworkFileError, match=r"too large for a file of labels: 6\d,\d\d\d,\d\d\d bytes"
        ):
            read_labels(path)
        path.write_text("abc\n" * 4_000_000)
        with pytest.raises(NetworkFileError, match="holds 4,000,000 labels"):
            read_labels(path)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_plain_strings_are_labels_too() -> None:
    assert find_label(["red", "green", "blue"], "Green") == 1
    assert find_label(["1", "0"], "0") == 0


def test_inception_labels_are_in_googles_order(shared_data: Path) -> None:
    published = (shared_data / "labels" / "imagenet_comp_graph_label_strings.txt").read_text().splitlines()
    labels = inception_labels()
    different = [(ours, theirs) for ours, theirs in zip(labels, published, strict=True) if ours != theirs]
    assert different == [("cannon", "cannon [ground]"), ("teddy", "teddy bear")]
    assert len({label.synset for label in labels}) == 1001
    assert (
        labels[429].synset == "n02012849"
    )  # the bird, among egrets and bitterns; the machine is the other crane


@pytest.mark.parametrize(
    "table",
    [
        {1: "dog", 0: "cat", 2: "bird"},
        {"dog": 1, "cat": 0, "bird": 2},
        {
            "cat": 0,
            "Felis catus": 0,
            "dog": 1,
            "bird": 2,
            "Aves": 2,
        },  # as torchvision's ImageNet has synonyms
        {"2": "bird", "1": "dog", "0": "cat"},
    ],
)
def test_a_table_between_numbers_and_labels_gives_them_in_the_numbers_order(
    table: dict[Any, Any], tmp_path: Path
) -> None:
    """Transformers' id2label and torchvision's class_to_idx, in memory and as a file: a table's keys were the names."""
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = open_network(module, input_shape=(1, 3, 8, 8), labels=table)
    assert network.labels == ("cat", "dog", "bird")
    (tmp_path / "labels.json").write_text(json.dumps(table))
    assert read_labels(tmp_path / "labels.json") == ("cat", "dog", "bird")
    with pytest.raises(
        NetworkFileError, match="the table of labels have to run on from 0 or 1; number 1 is missing"
    ):
        open_network(module, input_shape=(1, 3, 8, 8), labels={0: "cat", 2: "bird", 3: "dog"})
