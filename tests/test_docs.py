"""The documentation: its examples run and print what it says, its links lead somewhere, public names have examples."""

import dataclasses
import doctest
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from PIL import Image

import convscope
from convscope.cli import main
from convscope.cli.help_page import EXAMPLES
from convscope.dreaming.options import DreamOptions
from convscope.formats.zoo.catalog import CATALOG
from convscope.pictures.recipe import read_recipe
from convscope.samples import SAMPLES, fetch_samples
from convscope.styling.options import StyleOptions

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTATION = REPOSITORY / "docs"
DOCUMENTS = [*sorted(REPOSITORY.glob("*.md")), *sorted(DOCUMENTATION.rglob("*.md"))]
PICTURES = sorted((DOCUMENTATION / "pictures").iterdir())
PREPARE = "import sys, pathlib, examples; examples.prepare(*map(pathlib.Path, sys.argv[1:]))"
# Photographs of a browser's window, and what matplotlib drew by itself.
WITHOUT_RECIPE = {"report.png", "report-dark.png", "report-dreams.png"}
WITHOUT_RECIPE |= {"loss.png", "vis_square.png", "seen.png", "gradient.png"}
WITHOUT_RECIPE |= {"style-networks.webp", "style-first-size.webp"}  # four pictures each
WITHOUT_RECIPE |= {
    f"fooled-{name}.webp" for name in ("natural", "silent", "gate")
}  # of networks that are no file
# Pages, photographed:
WITHOUT_RECIPE |= {
    "atlas.webp",
    "explore.webp",
    "explore-dark.webp",
    "explore-phone.webp",
    "explore-unit.webp",
}
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def links(document: Path) -> list[str]:
    """Return where a document's links and pictures lead, outside its code."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [first or second for first, second in LINK.findall(text)]


def anchors(document: Path) -> set[str]:
    """Return a document's headings as a code host writes them behind ``#``."""
    headings = HEADING.findall(document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def examples(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(DOCUMENTATION), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "MPLBACKEND": "agg"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)


@pytest.fixture
def example_files(shared_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path
    prepared = examples(["-c", PREPARE, str(folder), str(shared_data)], folder)
    assert prepared.returncode == 0, prepared.stderr
    return folder


def has_examples(document: Path) -> bool:
    return (
        re.search(
            r"^```(\{code-cell\} )?(console|python)$", document.read_text(encoding="utf-8"), re.MULTILINE
        )
        is not None
    )


@pytest.mark.slow
@pytest.mark.parametrize("document", [*filter(has_examples, DOCUMENTS)], ids=lambda path: path.name)
def test_examples_print_what_the_document_says(document: Path, example_files: Path) -> None:
    result = examples([str(DOCUMENTATION / "examples.py"), str(document)], example_files)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_wrong_example_is_found(tmp_path: Path) -> None:
    document = tmp_path / "wrong.md"
    document.write_text(
        "```python\nprint(1 + 1)  # → 3\n```\n```console\n$ convscope rerun none.png\n```\n"
        "```console\n$ convscope rerun none.png\nError: there is no file none...\n```\n"
    )
    result = examples([str(DOCUMENTATION / "examples.py"), str(document)], tmp_path)
    assert result.returncode == 1
    assert "wrong.md, line 2" in result.stdout and "wrong.md, line 5" in result.stdout
    assert "wrong.md, line 8" not in result.stdout


def test_there_is_something_to_read() -> None:
    assert len(DOCUMENTS) >= 14
    assert sum(map(has_examples, DOCUMENTS)) >= 11


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in links(document):
        if link.startswith("https://"):
            continue
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        assert target.is_file(), f"{link} leads nowhere"
        assert target.is_relative_to(REPOSITORY)
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


def named_commands(text: str) -> list[str]:
    """Return the commands that a document names, in its code and within its sentences."""
    text = text.replace("\\\n", " ")
    sentences = re.findall(r"`(convscope [a-z][^`]*)`", FENCE.sub("", text))
    lines = re.findall(r"^(?:\$ )?(convscope .+)$", "".join(FENCE.findall(text)), re.MULTILINE)
    return [*sentences, *lines]


def wrong_usage(command: str) -> str:
    """Return what the command line has against a command's words: its name, options, choices, how many it takes."""
    context = click.Context(main)
    try:
        _, found, words = main.resolve_command(context, shlex.split(command, comments=True)[1:])
        given, left, _ = found.make_parser(click.Context(found, parent=context)).parse_args(words)
        for parameter in found.params:
            if isinstance(parameter.type, click.Choice) and isinstance(given.get(parameter.name), str):
                parameter.type.convert(given[parameter.name], parameter, context)
    except click.BadOptionUsage:  # a sentence may name an option without its value
        return ""
    except click.UsageError as error:
        return error.format_message()
    return f"too many words: {left}" if left else ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_only_named_exist(document: Path) -> None:
    named = named_commands(document.read_text(encoding="utf-8"))
    assert {command: wrong_usage(command) for command in named if wrong_usage(command)} == {}


@pytest.mark.parametrize(
    "command", ["looks net", "see net --stpes 4", "evidence a b --method grad-cm", "atlas net folder"]
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    assert named_commands(f"Say `convscope {command}`.\n```sh\nconvscope {command}  # so\n```\n") == [
        f"convscope {command}",
        f"convscope {command}  # so",
    ]
    assert wrong_usage(f"convscope {command}  # so")


@pytest.mark.parametrize("name", [name for name, one in main.commands.items() if not one.hidden])
def test_the_help_of_a_command_has_examples_that_are_right(name: str) -> None:
    assert EXAMPLES[name]
    for line in EXAMPLES[name]:
        assert f"{line} ".startswith(f"convscope {name} ") and len(line) <= 98
        assert wrong_usage(line) == ""
        networks = [word for word in shlex.split(line) if word.startswith("zoo:")]
        assert all(network.removeprefix("zoo:") in CATALOG for network in networks)


@pytest.mark.parametrize("name", main.commands)
def test_the_help_of_a_command_calls_values_by_what_they_are(name: str) -> None:
    shown = main.commands[name].get_help(click.Context(main.commands[name], info_name=name))
    assert not re.search(r"\b(INTEGER|FLOAT|TEXT|RANGE)\b|x[<>]", shown)


def test_the_index_names_every_page() -> None:
    pages = {page.relative_to(DOCUMENTATION).as_posix() for page in DOCUMENTATION.rglob("*.md")} - {
        "index.md"
    }
    assert pages == {link for link in links(DOCUMENTATION / "index.md") if link.endswith(".md")}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_pictures_are_shown_small_and_carry_their_recipes(picture: Path) -> None:
    assert any(
        link.endswith(f"pictures/{picture.name}") for document in DOCUMENTS for link in links(document)
    )
    assert picture.stat().st_size < 600_000
    with Image.open(picture) as image:
        image.load()
    if picture.name not in WITHOUT_RECIPE:
        recipe = read_recipe(picture)
        for place in (recipe.network, recipe.weights, recipe.picture):
            assert place is None or not Path(place).is_absolute()


def test_pictures_are_not_many_bytes() -> None:
    assert sum(picture.stat().st_size for picture in PICTURES) < 4_750_000


def fields_of_options(function: Callable[..., object]) -> set[str]:
    """Return the keywords that are explained by the class that its text sends one to."""
    known = (DreamOptions, StyleOptions, convscope.InputSpec)
    said = [one for one in known if one.__name__ in (function.__doc__ or "")]
    return {field.name for one in said for field in dataclasses.fields(one)}


@pytest.mark.parametrize("name", convscope.__all__)
def test_public_names_are_explained(name: str) -> None:
    public = getattr(convscope, name)
    explained = inspect.getdoc(public) or ""
    assert explained.strip()
    if not inspect.ismodule(public) and not (inspect.isclass(public) and issubclass(public, BaseException)):
        assert ">>>" in explained, f"convscope.{name} has no example"
    if inspect.isfunction(public):
        alike = (DOCUMENTATION / "api.md").read_text(encoding="utf-8")
        parameters = {*inspect.signature(public).parameters} - fields_of_options(public)
        unsaid = {one for one in parameters if f"`{one}`" not in explained and f"``{one}" not in explained}
        unsaid = {one for one in unsaid if f"`{one}`" not in alike and f"`{one}=" not in alike}
        assert not unsaid, f"convscope.{name} does not explain {unsaid}"


@pytest.mark.parametrize("document", sorted(DOCUMENTATION.glob("*.md")), ids=lambda path: path.name)
def test_each_page_says_which_files_it_needs(document: Path) -> None:
    """The files that its examples name are those of the command at its top."""
    text = document.read_text(encoding="utf-8")
    command = re.search(r"^Files of the examples here: `convscope samples \. ([^`]+)`", text, re.MULTILINE)
    said = set(command[1].split() if command else [])
    shown = "".join(re.findall(r"^```(?:console|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert said >= {name for name in SAMPLES if re.search(rf"(?<![\w/]){re.escape(name)}", shown)}
    rest = text.replace(command[0] if command else "", "")
    assert said <= {name for name in SAMPLES if re.search(rf"(?<![\w/]){re.escape(name)}", rest)}


def test_the_tables_of_layers_are_those_of_the_readers():
    """`python docs/make_tables.py` writes them again."""
    code = "import make_tables as m; print(all(m.filled(page.read_text()) == page.read_text() for page in m.PAGES))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=DOCUMENTATION, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "True"


# Those that show what another kind of network says (boxes, a map of classes, a picture, tokens), take long, or teach
# the whole process a layer.
NOT_RUN = {
    "attention_rollout",
    "boxes",
    "output_picture",
    "segmentation",
    "token_maps",
    "extremal_perturbation",
    "Network.compile",
    "Network.explore",
}
WRAPPED = ("fget", "func", "__func__")  # a property's function, a cached property's, a class method's


class WhereSomethingIsSaid(doctest.OutputChecker):
    """Compare what an example prints with what stands below it; nothing there says nothing."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


def texts(name: str, public: object) -> Iterator[tuple[str, str]]:
    """Yield the docstring of a public name, and those of what is seen of a class or a module in the reference."""
    yield name, inspect.getdoc(public) or ""
    if inspect.ismodule(public):
        for listed in public.__all__:
            if callable(member := getattr(public, listed)):
                yield from texts(f"{name}.{listed}", member)
    elif inspect.isclass(public):
        for member, found in vars(public).items():
            function = next((f for at in WRAPPED if callable(f := getattr(found, at, None))), found)
            if not member.startswith("_") and callable(function):
                yield f"{name}.{member}", inspect.getdoc(function) or ""


@pytest.mark.slow
def test_examples_of_public_names_run_as_they_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a class's members go on from its own, as they stand in the reference."""
    list(fetch_samples(tmp_path, ["textures/"]))
    monkeypatch.chdir(tmp_path)
    (prelude,) = re.findall(r"^```python\n(.*?)^```$", (DOCUMENTATION / "api.md").read_text(), re.M | re.S)
    given: dict[str, object] = {}
    exec(prelude, given)
    runner = doctest.DocTestRunner(
        WhereSomethingIsSaid(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    said, parser = list[str](), doctest.DocTestParser()
    for name in sorted({*convscope.__all__} - NOT_RUN):
        names = given.copy()
        for member, text in texts(name, getattr(convscope, name)):
            if member not in NOT_RUN and ">>>" in text:
                example = parser.get_doctest(text, names, member, None, None)
                runner.run(example, out=said.append, clear_globs=False)
                names = example.globs
    assert not said, "".join(said)
