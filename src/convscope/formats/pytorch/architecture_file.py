"""An architecture in the user's own Python file: ``my_model.py:Net``, ``my_model.py:Net(num_classes=10)``.

This is the one place where convscope runs Python that it did not come with. It is the user's own code, named by the
user, as `python my_model.py` would run it; nothing that a file of weights says ever leads here.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from convscope.errors import InputError, NetworkFileError, did_you_mean
from convscope.files import user_path

_NAMED = re.compile(r"(?P<file>.+\.py)(?::(?P<what>.+))?", re.DOTALL)


def names_a_file(architecture: str) -> bool:
    """Whether an architecture is somebody's file of Python."""
    return _NAMED.fullmatch(architecture) is not None


def builder(architecture: str) -> tuple[str, Callable[[int | None], nn.Module]]:
    """Return the name of an architecture in a file, and what builds it.

    >>> name, build = builder("my_model.py:Net(num_classes=10)")

    The file is run when the network is built, with its folder on the path as Python does for a script. Without a class
    or function it has to hold one class of modules. Raises NetworkFileError for a file that is not there or cannot be
    run, InputError for a name that is not in it.
    """
    matched = _NAMED.fullmatch(architecture)
    if matched is None:
        raise InputError(f"an architecture of one's own is FILE.py:CLASS; found {architecture!r}")
    path, what = user_path(matched["file"]), matched["what"]
    name, keywords = (None, {}) if what is None else _call(what)

    def build(classes: int | None) -> nn.Module:
        with _beside(path):
            return _built(_class_in(_run(path), name, path), keywords, f"{path}:{what or name}")

    return name or path.stem, build


def _call(what: str) -> tuple[str, dict[str, Any]]:
    """Return a name and the keywords behind it, which are plain values."""
    try:
        tree = ast.parse(what, mode="eval").body
        if isinstance(tree, ast.Call) and not tree.args:
            return ast.unparse(tree.func), {
                str(one.arg): ast.literal_eval(one.value) for one in tree.keywords
            }
    except (SyntaxError, ValueError):
        tree = None
    if not isinstance(tree, ast.Name | ast.Attribute):
        raise InputError(f"{what!r}: give a class or a function, with plain values: Net, Net(num_classes=10)")
    return what, {}


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise NetworkFileError(
            f"{path}: there is no such file; an architecture (--architecture) is FILE.py:CLASS"
        )
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise NetworkFileError(f"{path} cannot be run as Python")
    module = module_from_spec(spec)
    before = sys.modules.get(path.stem)
    sys.modules[path.stem] = module  # where its classes say that they come from
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise NetworkFileError(
            f"{path}, which makes the network, ends in {type(error).__name__}: {error}"
        ) from error
    finally:
        if before is not None:
            sys.modules[path.stem] = before
    return module


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Let the file import what lies beside it."""
    folder = str(path.parent.resolve())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _class_in(module: ModuleType, name: str | None, path: Path) -> Any:
    own = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    }
    if name is None:
        if len(own) == 1:
            return next(iter(own.values()))
        first = next(iter(own), "Net")
        raise InputError(
            f"{path} holds {len(own)} networks ({', '.join(own)}): name one, as in {path}:{first}"
        )
    member: Any = module
    for part in name.split("."):
        member = getattr(member, part, None)
    if member is None:
        raise InputError(
            f"{path} has no {name!r}.{did_you_mean(name, own)} It holds {', '.join(own) or 'no network'}"
        )
    return member


def _built(made: Any, keywords: dict[str, Any], words: str) -> nn.Module:
    if isinstance(made, nn.Module):
        return made
    try:
        module = made(**keywords)
    except Exception as error:
        raise InputError(
            f"{words} cannot be made: {type(error).__name__}: {error}. What it needs can be given: "
            f"{words.partition('(')[0]}(num_classes=10)"
        ) from error
    if not isinstance(module, nn.Module):
        raise InputError(f"{words} gives a {type(module).__name__}, not a torch.nn.Module")
    return module
