"""A folder without a network that convscope opens: what it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from convscope.errors import NetworkFileError
from convscope.formats.foreign import foreign_network, in_another_format
from convscope.formats.kinds import BY_SUFFIX, kind_of_name

_DEPTH, _LOOKED_AT, _NAMED = 3, 2000, 4
_OF_TRANSFORMERS = (
    "transformers 4 writes PyTorch's of it (from_pretrained(FOLDER, {}=True), then save_pretrained)"
)

DISTRIBUTED = (
    "a distributed checkpoint of PyTorch's: python -m torch.distributed.checkpoint.format_utils dcp_to_torch "
    "FOLDER weights.pt makes one file of it: open that with its architecture"
)

_OF_CONVSCOPE = "convscope's own {}, and no network: {}"

# What lies in a folder, and what that says of it. The more certain first.
_TOLD_BY: Sequence[tuple[str, str]] = (
    (
        "*.distcp",
        DISTRIBUTED,
    ),
    (
        "zero_to_fp32.py",
        "a checkpoint of DeepSpeed's: its zero_to_fp32.py makes one file of weights of it: open that with its "
        "architecture",
    ),
    (
        "*CHECKPOINT_METADATA",
        "a checkpoint of JAX's (Orbax), and convscope reads none of them: export the network to ONNX (jax2onnx)",
    ),
    ("flax_model.msgpack", f"a folder with Flax's weights, of JAX: {_OF_TRANSFORMERS.format('from_flax')}"),
    (
        "tf_model.h5",
        f"a folder with TensorFlow's weights alone (tf_model.h5): {_OF_TRANSFORMERS.format('from_tf')}",
    ),
    (".run.json", _OF_CONVSCOPE.format("folder of a film's frames", "it belongs behind --frames")),
    ("atlas.json", _OF_CONVSCOPE.format("atlas", "open its index.html in a browser")),
    ("measurement.json", _OF_CONVSCOPE.format("measurements of photographs", "Measurements.open reads them")),
)


def no_network_in(folder: Path, files: Sequence[Path]) -> NetworkFileError:
    """Return the error for a folder in which nothing opens; `files` are those directly in it."""
    if (told := next((what for pattern, what in _TOLD_BY if any(folder.glob(pattern))), None)) is not None:
        return NetworkFileError(f"{folder} is {told}")
    if below := list(islice(_networks_below(folder), _NAMED + 1)):
        more = " and more" if len(below) > _NAMED else ""
        named = ", ".join(str(path.relative_to(folder)) for path in below[:_NAMED])
        return NetworkFileError(
            f"{folder} holds no network itself; in the folders inside it lie {named}{more}: open one of them"
        )
    if not files:
        return NetworkFileError(
            f"{folder} holds no files; give a network's file, or the folder that holds it"
        )
    for path in files[:100]:
        if (error := foreign_network(path)) is not None:
            return error
        if (known := in_another_format(path.name)) is not None:
            return NetworkFileError(f"{path} is {known}")
    held = ", ".join(path.name for path in files[:_NAMED])
    more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
    return NetworkFileError(f"{folder} holds no network ({', '.join(BY_SUFFIX)}), but {held}{more}")


def _networks_below(folder: Path) -> Iterator[Path]:
    """Yield what is called as networks are, a few folders deep; a link is never followed."""
    level, looked_at = [folder], 0
    for _ in range(_DEPTH):
        inside = [path for each in level for path in _listed(each)]
        level = sorted(path for path in inside if path.is_dir() and not path.is_symlink())
        for path in (file for each in level for file in _listed(each)):
            looked_at += 1
            if looked_at > _LOOKED_AT:
                return
            if path.suffix not in (".json", ".bin") and kind_of_name(path) and path.is_file():
                yield path


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder, its first entries; nothing of one that may not be read."""
    try:
        return sorted(islice((path for path in folder.iterdir() if path.name[0] != "."), _LOOKED_AT))
    except OSError:
        return []
