"""The options every command shares: how to open the network, where to write."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from convscope.cli.result_paths import note
from convscope.files import user_path

if TYPE_CHECKING:
    from convscope.network.network import Network
    from convscope.preset_guide import PresetGuide

_Command = TypeVar("_Command", bound=Callable[..., Any])
_PREPROCESSING = (
    *("input_size", "channel_order", "layout", "mean", "raw_scale", "input_scale"),
    *("resize", "resize_size", "antialias", "crops"),
)


def how_many_or_which(given: tuple[int, ...] | None) -> tuple[int, ...] | int | None:
    """Return what ``--channels`` means: one number is how many, several are which ones."""
    return given[0] if given is not None and len(given) == 1 else given


def names(text: str) -> list[str]:
    """Return names separated by commas, and by blanks as one likes: ``grad-cam, rise``."""
    return [name.strip() for name in text.split(",")]


def numbers(kind: type[int] | type[float]) -> Callable[[str], tuple[Any, ...]]:
    """Return the option type of numbers separated by commas: ``104,117,123``."""

    def convert(text: str) -> tuple[Any, ...]:
        try:
            return tuple(kind(number) for number in text.split(","))
        except ValueError:
            example = "1,3,224,224" if kind is int else "104,117,123"
            raise click.BadParameter(f"{text!r}: give numbers separated by commas, as {example}") from None

    convert.__name__ = "numbers"
    return convert


def _shape(text: str) -> tuple[int, ...]:
    """Return a shape's sizes, with commas or as notes print them: ``1,3,224,224``, ``1x3x224x224``."""
    sizes: tuple[int, ...] = numbers(int)(re.sub("[x×]", ",", text.strip()))
    return sizes


def _mean(text: str) -> tuple[float, ...] | str:
    """Return one number a channel, or the file of a mean picture."""
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        return text


def _one_or_each(text: str) -> float | tuple[float, ...]:
    values: tuple[float, ...] = numbers(float)(text)
    return values[0] if len(values) == 1 else values


@dataclass(frozen=True)
class Opening:
    """How the user wants the network opened."""

    weights: str | None
    labels: str | None
    input_shape: tuple[int, ...] | None
    device: str
    preprocessing: dict[str, Any]
    architecture: str | None = None
    inputs: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    def open(self, source: str) -> Network:
        """Open the network."""
        from convscope.cli.settings import settings
        from convscope.formats.opening import open_network

        opened = open_network(
            source,
            weights=self.weights,
            labels=self.labels,
            input_shape=self.input_shape,
            device=_checked_device(self.device),
            architecture=self.architecture,
            inputs=dict(_named_input(assignment) for assignment in self.inputs) or None,
            **self.preprocessing,
        )
        settings().read.update(path.resolve() for path in opened.origin.files)
        return opened.with_units(dict(map(_set_unit, self.units))) if self.units else opened


def _named_input(assignment: str) -> tuple[str, str]:
    name, equals, value = assignment.partition("=")
    if not (name and equals and value):
        raise click.BadParameter(f"{assignment!r} is not NAME=VALUE", param_hint="--input")
    return name, value


def _checked_device(device: str) -> str:
    import torch

    from convscope.network.engine.execution import best_device

    if device == "auto":
        best = best_device()
        note(f"computed on {best}")
        return best
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise click.BadParameter(
            f"{device!r} cannot be used here: {reason}", param_hint="--device"
        ) from error
    return device


def _set_unit(text: str) -> tuple[str, str]:
    address, equals, value = text.partition("=")
    if not (address and equals and value):
        raise click.BadParameter(f"{text!r}: write ADDRESS=VALUE, as conv1:42=0", param_hint="--set")
    return address, value


def _threads(context: click.Context, _: click.Parameter, value: str) -> int | None:
    """Return how many threads were asked for; None where it is to be measured."""
    if value == "auto" or context.resilient_parsing:
        return None
    from convscope.network.engine.threads import MOST_THREADS

    if not value.isdecimal() or not 1 <= int(value) <= MOST_THREADS:
        raise click.BadParameter(f"{value!r}: give a number from 1 to {MOST_THREADS}, or auto")
    return int(value)


def _compute_on(threads: int | None) -> None:
    """Compute on so many threads until the command ends; without a number, on as many as are fastest now."""
    from convscope.network.engine.threads import computing_on, faster_threads

    chosen = faster_threads() if threads is None else threads
    click.get_current_context().with_resource(computing_on(chosen))


class RenamedOption(click.Option):
    """An option that had other names before: they still work, and the help does not show them."""

    def __init__(self, *given: Any, before: Sequence[str], **keywords: Any) -> None:
        super().__init__(*given, **keywords)
        self.before = before

    def add_to_parser(self, parser: Any, context: click.Context) -> None:
        """Let the parser take the earlier names too."""
        own, self.opts = self.opts, [*self.opts, *self.before]
        super().add_to_parser(parser, context)
        self.opts = own


class NetworkOption(click.Option):
    """An option of how the network is opened: in the help it stands under a heading of its own."""


_network_option = functools.partial(click.option, cls=NetworkOption)

_OPENING = (
    _network_option("--weights", metavar="FILE", help="The weights, where they are not beside the network."),
    _network_option(
        "--architecture",
        metavar="NAME",
        help="What a file of PyTorch weights is for: torchvision:NAME, timm:NAME, or your own FILE.py:CLASS.",
    ),
    _network_option("--labels", metavar="FILE", help="Class names, one a line in the network's order."),
    _network_option(
        "--input-shape",
        type=_shape,
        metavar="N,C,H,W",
        help="The input's shape, for networks that do not say it; 1x3x224x224 is the same as 1,3,224,224.",
    ),
    _network_option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME=VALUE",
        help="For an input beside the picture: a number, zeros, a .npy file or a picture. Repeat it for several.",
    ),
    _network_option(
        "--set",
        "units",
        multiple=True,
        metavar="ADDRESS=VALUE",
        help="Set what a unit answers: a number, *FACTOR, a picture or a folder whose answer it gets. Repeat for more.",
    ),
    _network_option(
        "--device",
        default="cpu",
        show_default=True,
        metavar="NAME",
        help="Where to compute: cpu, cuda, mps, or auto: the graphics card where there is one.",
    ),
    _network_option(
        "--threads",
        envvar="CONVSCOPE_THREADS",
        callback=_threads,
        default="auto",
        show_default=True,
        metavar="N",
        help="On how many processors to compute: a number, or auto: all, or one where that is as fast now.",
    ),
    _network_option(
        "--channel-order",
        type=click.Choice(["RGB", "BGR", "GRAY"], case_sensitive=False),
        help="The order of the color channels the network expects.",
    ),
    _network_option(
        "--input-size",
        type=numbers(int),
        metavar="H,W",
        help="Height and width of what the network expects.",
    ),
    _network_option(
        "--layout",
        type=click.Choice(["NCHW", "NHWC"]),
        help="The order of the input's axes: channels before or after height and width.",
    ),
    _network_option(
        "--mean",
        type=_mean,
        metavar="A,B,C|FILE",
        help="Subtracted, in the network's own order; or a mean picture (.npy, .binaryproto).",
    ),
    _network_option(
        "--raw-scale",
        type=float,
        metavar="X",
        help="Multiplies pixels of 0..1 before the mean is subtracted: 255 for networks that expect 0..255.",
    ),
    _network_option(
        "--input-scale",
        type=_one_or_each,
        metavar="X|A,B,C",
        help="Multiplies what the mean was subtracted from.",
    ),
    _network_option(
        "--resize",
        type=click.Choice(["squash", "shorter_side", "direct"]),
        help="How the picture is brought to size: stretched, its shorter side made to fit, or both at once.",
    ),
    _network_option(
        "--resize-size",
        type=int,
        metavar="PIXELS",
        help="How large the picture is made before the network's part is cut out of it.",
    ),
    _network_option(
        "--antialias/--no-antialias", default=None, help="Resize as Pillow does, or without as Caffe does."
    ),
    _network_option(
        "--crops",
        type=click.Choice(["1", "10"]),
        help="1: the center; 10: the corners and the center, each mirrored too, answers averaged.",
    ),
)


def network_options(function: _Command) -> _Command:
    """Give a command the options that open its network; it gets one `Opening` for them all."""

    @functools.wraps(function)
    def command(
        *positional: Any,
        weights: str | None,
        labels: str | None,
        input_shape: tuple[int, ...] | None,
        device: str,
        threads: int | None,
        architecture: str | None,
        inputs: tuple[str, ...],
        units: tuple[str, ...],
        **keywords: Any,
    ) -> Any:
        _compute_on(threads)
        settings = {name: keywords.pop(name) for name in _PREPROCESSING}
        settings["size"] = settings.pop("input_size")
        if settings["crops"] is not None:
            settings["crops"] = int(settings["crops"])
        preprocessing = {name: value for name, value in settings.items() if value is not None}
        opening = Opening(weights, labels, input_shape, device, preprocessing, architecture, inputs, units)
        return function(*positional, opening=opening, **keywords)

    for option in reversed(_OPENING):
        command = option(command)
    return command  # type: ignore[return-value]


def preset_option(guide: Mapping[str, PresetGuide]) -> Callable[[_Command], _Command]:
    """Give a command ``--preset``, whose names stand in its help with a line each and complete in a shell."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [
            CompletionItem(name, help=one.summary)
            for name, one in guide.items()
            if name.startswith(incomplete)
        ]

    return click.option(
        "--preset",
        metavar="NAME",
        default="default",
        show_default=True,
        shell_complete=complete,
        help="How it is made: a name of the list below. Its source's numbers hold where no option says another.",
    )


def preset_lines(guide: Mapping[str, PresetGuide]) -> str:
    """Return the end of a command's help: its presets, a line each."""
    width = max(map(len, guide))
    lines = [f"  {name:{width}}  {one.summary}" for name, one in guide.items()]
    return "\b\nPresets:\n" + "\n".join(lines)


def output_option(
    what: str = "A picture (.png, .jpg, .webp), or a folder for several",
    by_default: str | None = "a name of its own here",
) -> Callable[[_Command], _Command]:
    """Give a command ``-o``: what is written there, and where without it; None where nothing is then."""
    words = what if by_default is None else f"{what}; {by_default} by default"
    return click.option("-o", "--output", metavar="PATH", help=f"{words}.")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")


def weights_of(texts: Sequence[str], option: str = "--layer") -> dict[str, float]:
    """Return addresses, or pictures, with their weights from ``ADDRESS[=WEIGHT]``."""
    weights = {}
    for text in texts:
        if user_path(text).is_file():  # whose name may hold a =
            weights[text] = 1.0
            continue
        address, _, weight = text.rpartition("=")
        try:
            weights[address or text] = float(weight) if address else 1.0
        except ValueError:
            raise click.BadParameter(f"{text!r}: the weight after = is a number", param_hint=option) from None
    return weights
