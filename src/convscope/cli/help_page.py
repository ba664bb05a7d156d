"""What a command's help says: its examples, its own options, what every command has, how the network is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import click

from convscope.cli.options import NetworkOption

EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "activations": (
            "convscope activations builtin chelsea conv1 --order strongest -o cat.png",
            "convscope activations zoo:bvlc_googlenet photo.jpg inception_4c/output:42 -o unit.png",
        ),
        "atlas": (
            "convscope atlas builtin -o atlas/ --photographs photos/",
            "convscope atlas zoo:bvlc_googlenet -o atlas/ --layers inception_4a/output --fast",
        ),
        "atlas-check": ("convscope atlas-check atlas/",),
        "atlas-merge": ("convscope atlas-merge atlas/ --photographs photos/",),
        "classify": (
            "convscope classify builtin coffee",
            "convscope classify zoo:bvlc_googlenet photos/ --top 1 --json",
            "convscope classify model.onnx photo.jpg --mean 104,117,123 --raw-scale 255 -o bars.png",
        ),
        "demo": ("convscope demo -o coffee.html",),
        "doctor": ("convscope doctor", "convscope doctor --device cuda --json"),
        "dream": (
            "convscope dream builtin coffee -o dream.png",
            "convscope dream zoo:bvlc_googlenet photo.jpg --layer inception_4c/output --octaves 4 -o dream.png",
        ),
        "dream-film": ("convscope dream-film builtin coffee --seconds 4 --zoom 1.2 -o dream.webp",),
        "evidence": (
            "convscope evidence builtin coffee -o map.png",
            'convscope evidence builtin chelsea "prob:tabby - prob:lion" --method occlusion -o map.png',
            "convscope evidence builtin coffee espresso --compare -o methods.png",
        ),
        "examples": ("convscope examples builtin mixed4c:20 --photographs photos/ -o examples.png",),
        "explore": (
            "convscope explore",
            "convscope explore zoo:bvlc_googlenet photo.jpg --photographs photos/",
        ),
        "filters": (
            "convscope filters builtin -o filters.png",
            "convscope filters model.h5 block1_conv1 --scale tile -o filters.png",
        ),
        "fine-tune": ("convscope fine-tune builtin photos/ --steps 200 -o mine.convscope",),
        "importance": ("convscope importance builtin mixed5a coffee espresso -o chart.png",),
        "layers": ("convscope layers builtin", "convscope layers torchvision:resnet18 --json"),
        "lessons": ("convscope lessons", "convscope lessons course/"),
        "report": (
            "convscope report builtin coffee -o report.html",
            "convscope report deploy.prototxt photo.jpg --weights trained.caffemodel --labels names.txt",
        ),
        "rerun": ("convscope rerun dream.png", "convscope rerun dream.png --network moved/model.onnx"),
        "samples": ("convscope samples .", "convscope samples . bvlc_googlenet/"),
        "see": (
            "convscope see builtin prob:espresso -o espresso.png",
            "convscope see builtin mixed4a:42 mixed4a:43 --seed 1 -o units/",
        ),
        "sheet": ("convscope sheet builtin mixed3a --channels 24 -o sheet.png",),
        "style": (
            "convscope style builtin chelsea --style starry_night.jpg --size 512 -o painted.png",
            "convscope style builtin chelsea --style prob:monarch -o painted.png",
        ),
        "survey": ("convscope survey builtin --photographs photos/ -o survey.html",),
        "trust": ("convscope trust builtin photos/ --methods grad-cam,occlusion,relevance",),
        "tuning-curves": ("convscope tuning-curves builtin conv1:3 conv2:5 -o curves/",),
        "values": ("convscope values builtin coffee prob --order strongest -o values.png",),
    }
)
_COMMON = ("help", "quiet", "verbose", "force", "as_json")
_RANGES = (  # as click writes them, and in words
    (r"\b([-\d.]+)<=x<=([-\d.]+)", r"\1 to \2"),
    (r"\bx>=([-\d.]+)", r"\1 or more"),
    (r"\bx>([-\d.]+)", r"more than \1"),
)


def name_values(command: click.Command) -> None:
    """Call what an option takes N for a whole number and X for any; click says INTEGER RANGE, in errors too."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag and parameter.metavar is None:
            if isinstance(parameter.type, click.types.IntParamType):
                parameter.metavar = "N"
            elif isinstance(parameter.type, click.types.FloatParamType):
                parameter.metavar = "X"
        if isinstance(parameter.type, click.IntRange | click.FloatRange):
            parameter.type.name = parameter.type.name.removesuffix(
                " range"
            )  # "'x' is not a valid integer range"


def write_options(command: click.Command, context: click.Context, formatter: click.HelpFormatter) -> None:
    """Write a command's examples, then its own options, what every command has, and how the network is opened."""
    if lines := EXAMPLES.get(command.name or ""):
        with formatter.section("Examples"):
            for line in lines:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
    groups: dict[str, list[tuple[str, str]]] = {
        "Options": [],
        "In every command": [],
        "How the network is opened (by default as its own files say)": [],
    }
    own, common, opening = groups.values()
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context)) is not None:
            group = common if parameter.name in _COMMON else own
            (opening if isinstance(parameter, NetworkOption) else group).append(_in_words(record))
    for heading, records in groups.items():
        if records:
            with formatter.section(heading):
                formatter.write_dl(records)


def _in_words(record: tuple[str, str]) -> tuple[str, str]:
    """Return what an option's help says, with the numbers that are possible in words."""
    option, words = record
    for written, said in _RANGES:
        words = re.sub(written, said, words)
    return option, words
