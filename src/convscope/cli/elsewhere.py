"""What other tools call a command, and what stands in a command's place: said of a command that is not there."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.errors import did_you_mean
from convscope.files import user_path

_CALLED = {
    "classify": ("predict", "infer", "run"),
    "dream": ("deepdream", "deep-dream"),
    "evidence": ("gradcam", "grad-cam", "cam", "attribute", "attribution", "saliency", "explain", "heatmap"),
    "explore": ("open", "view", "serve", "show", "gui", "inspect"),
    "fine-tune": ("train", "finetune"),
    "layers": ("summary", "info", "describe", "graph"),
    "see": ("render", "visualize", "visualise", "optimize", "features"),
}
_SAVED = ("convert", "export", "save")


def command_meant(name: str, commands: Sequence[str]) -> str:
    """Return, behind a space, what to type where `name` is no command: it may be a file, or another tool's word."""
    meant = next((command for command, words in _CALLED.items() if name.lower() in words), None)
    if meant is not None:
        return f" Did you mean {meant!r}? See: convscope {meant} --help"
    if name.lower() in _SAVED:
        return " A network is saved in Python: convscope.open_network('NETWORK').save('network.onnx')"
    if name == "builtin" or user_path(name).exists():
        given = f"builtin {name}" if _is_picture(name) else f"{name} PICTURE"
        explored = f"builtin {name}" if _is_picture(name) else name
        return f" A command stands first: convscope report {given}, or convscope explore {explored}"
    return did_you_mean(name, commands) or f" Possible: {', '.join(commands)}"


def _is_picture(name: str) -> bool:
    from convscope.pictures.decoding import picture_endings

    return user_path(name).suffix.lower() in picture_endings()
