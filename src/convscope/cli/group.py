"""How every command ends: one line for what went wrong, one line a note, the right exit status."""

from __future__ import annotations

import _thread
import errno
import logging
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import click

from convscope.cli.choice import Choice
from convscope.cli.completion import offer
from convscope.cli.elsewhere import command_meant
from convscope.cli.help_page import name_values, write_options
from convscope.cli.patience import patience
from convscope.cli.result_paths import INTERRUPTED, note, printable
from convscope.cli.settings import Settings, settings
from convscope.cli.streams import lasting_streams
from convscope.errors import ConvscopeError, ConvscopeWarning, did_you_mean
from convscope.files import FileState, user_path
from convscope.progress import bars, switch_off

_TRACE = "CONVSCOPE_TRACEBACK"
_RESCUE = 10.0  # seconds that a page has to be written at the end


class ConvscopeGroup(click.Group):
    """A group of commands in which `ConvscopeError` is an answer, not a traceback."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, and to it the options that every command has and what the Tab key offers."""
        parameters = {parameter.name for parameter in cmd.params}
        writes = "output" in parameters
        for parameter in cmd.params:
            if type(parameter.type) is click.Choice:
                parameter.type = Choice(parameter.type.choices, parameter.type.case_sensitive)
            if parameter.name == "output":
                parameter.callback = _not_empty
            elif parameter.name == "network" and isinstance(parameter, click.Argument):
                parameter.callback = _no_picture
            elif parameter.callback is None:
                parameter.callback = _no_empty_text
        cmd.params += [
            _setting_flag(
                "force",
                "--force",
                "Replace files that are there; those the command reads are never replaced.",
            )
        ] * writes
        cmd.params += [
            _setting_flag(
                "quiet", "-q", "--quiet", "Say nothing on stderr but errors: no notes, no progress."
            ),
            _setting_flag("verbose", "-v", "--verbose", "Say the caption of each picture under its path."),
        ]
        offer(cmd)
        name_values(cmd)
        cmd.format_options = partial(write_options, cmd)  # type: ignore[method-assign]
        super().add_command(cmd, name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before the command's name; an option of a command there is told its place."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            own = (
                did_you_mean(error.option_name, ("--help", "--version")) if len(error.option_name) > 2 else ""
            )
            hint = own.strip() or f"options stand behind the command: convscope COMMAND {error.option_name}"
            raise click.UsageError(f"no such option here: {error.option_name}; {hint}", ctx) from None

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line, whatever stdout and stderr are."""
        with lasting_streams(), _ctrl_c_given_back():
            return super().main(*arguments, **options)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Read what stands before the command; click would end with 1 and "Aborted!" at Ctrl-C there."""
        try:
            return super().make_context(*arguments, **options)
        except KeyboardInterrupt:
            raise _interrupted(Settings()) from None

    def invoke(self, context: click.Context) -> Any:
        """Run the command; exit 1 with one line for an error, 130 after Ctrl-C, whatever was kept of the work."""
        options = settings()
        context.color = _colors_wanted()
        _require_folder()
        try:
            with bars(True), _notes_on_stderr(), _ctrl_c_remembered(options):
                result = super().invoke(context)
        except KeyboardInterrupt:
            raise _interrupted(options) from None
        except click.NoSuchOption as error:
            raise _in_its_place(error) from None
        except (ConvscopeError, MemoryError) as error:
            if options.interrupted:
                raise _interrupted(options) from None
            words = (
                "there is not enough memory for this" if isinstance(error, MemoryError) else _one_line(error)
            )
            raise _OneLine(words) from error
        except OSError as error:
            if error.errno == errno.EPIPE and not options.interrupted:  # nobody reads on: click ends silently
                raise
            if options.interrupted:
                raise _interrupted(options) from None
            where = f"{error.filename}: " if error.filename else ""
            raise _OneLine(_one_line(f"{where}{error.strerror or error}")) from error
        except Exception as error:
            if (
                isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort)
                or _shows_traceback()
            ):
                raise
            if options.interrupted:
                raise _interrupted(options) from None
            raise _OneLine(_one_line(_what_to_do(error))) from error
        if options.interrupted:
            raise click.exceptions.Exit(INTERRUPTED) if options.told else _interrupted(options)
        return result

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or with ``help`` before it its help; for a misspelled one, offer the closest."""
        if arguments[0] == "help" and arguments[1:2]:
            arguments = [arguments[1], "--help"]
        elif arguments[0] == "help":
            click.echo(self.get_help(context), color=context.color)
            context.exit()
        try:
            return super().resolve_command(context, arguments)
        except click.UsageError:
            hint = command_meant(arguments[0], self.list_commands(context))
            raise click.UsageError(f"there is no command {arguments[0]!r}.{hint}", context) from None


class _OneLine(click.ClickException):
    """An error as one line, its first word in red."""

    def show(self, file: Any = None) -> None:
        """Print the line on stderr."""
        click.echo(
            f"{click.style('Error:', fg='red')} {self.format_message()}", err=True, color=_colors_wanted()
        )


def _colors_wanted() -> bool | None:
    """Return whether colors are asked for: no with NO_COLOR, yes with FORCE_COLOR, else (None) on a terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return True if os.environ.get("FORCE_COLOR", "0") not in ("", "0") else None


def _not_empty(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """Refuse an empty name, as a variable that is not set gives: what is made would lie anywhere."""
    if given == "":
        raise click.BadParameter("the name is empty; give a file or a folder (. is this one)")
    if given is not None and "\0" in given:
        raise click.BadParameter("a name holds no zero byte; give a file or a folder")
    return given


def _no_empty_text(_: click.Context, parameter: click.Parameter, given: Any) -> Any:
    """Refuse an empty text, as a variable that is not set gives: as a path it is the folder one is in."""
    if given == "" or (isinstance(given, tuple) and "" in given):
        leave_out = "" if parameter.required else f", or leave the {parameter.param_type_name} out"
        raise click.BadParameter(f"it is empty; give a value{leave_out}")
    return given


def _no_picture(_: click.Context, __: click.Parameter, given: str) -> str:
    """Refuse a picture in the network's place, and an empty name, which would be the folder one is in."""
    from convscope.pictures.decoding import picture_endings
    from convscope.pictures.photograph import SAMPLES

    if not given:
        raise click.UsageError(
            "the NETWORK is empty; give its file, its folder, or a name: builtin is always there"
        )
    path = user_path(given)
    if (given in SAMPLES and not path.exists()) or (
        path.suffix.lower() in picture_endings() and path.is_file()
    ):
        raise click.UsageError(
            f"{given} is a picture, and NETWORK stands first: convscope COMMAND NETWORK {given}"
        )
    return given


def _in_its_place(error: click.NoSuchOption) -> click.UsageError:
    """Return what to say of an unknown option: that it stands without a name, where it is called as an argument is."""
    wanted = error.option_name.lstrip("-").removesuffix("s")
    if error.ctx is None:
        return error
    arguments = [one for one in error.ctx.command.params if isinstance(one, click.Argument)]
    if wanted not in [(one.name or "").removesuffix("s") for one in arguments]:
        return error
    usage = " ".join(
        ["convscope", error.ctx.command.name or "", *(one.make_metavar(error.ctx) for one in arguments)]
    )
    return click.UsageError(f"{error.option_name} is no option; it stands without a name: {usage}", error.ctx)


def _require_folder() -> None:
    """Say it where the folder that the command is run in has been removed; torch's libraries end the process there."""
    try:
        Path.cwd()
    except OSError as error:
        raise _OneLine(f"the folder that this is run in is gone ({error.strerror}): cd to another") from error


def _setting_flag(name: str, *words: str) -> click.Option:
    """Return a flag that is kept in the `Settings`, and that the command itself need not know."""

    def keep(_: click.Context, __: click.Parameter, given: bool) -> None:
        setattr(settings(), name, given)
        if name == "quiet" and given:
            switch_off()

    return click.Option(
        list(words[:-1]), is_flag=True, expose_value=False, is_eager=True, callback=keep, help=words[-1]
    )


@contextmanager
def _ctrl_c_remembered(options: Settings) -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt as ever, and remember it: what keeps what there is deals with it silently.

    Where Python ignores what is raised (a destructor, a weak reference's callback), Ctrl-C is raised again a moment
    later. After this block it does nothing any more: what is left is to end, which takes no time.
    """
    before, over = signal.getsignal(signal.SIGINT), False
    ignored_before = sys.unraisablehook
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def pressed(number: int, frame: FrameType | None) -> None:
        if not over:
            options.interrupted = True
            if _torch_is_being_imported():
                end()
            before(number, frame)

    def ignored(what: sys.UnraisableHookArgs) -> None:
        if isinstance(what.exc_value, KeyboardInterrupt):
            threading.Thread(target=_press_again, args=(ignored.__code__,), daemon=True).start()
        else:
            ignored_before(what)

    def end() -> None:
        os._exit(_interrupted(options, _rescued(options)).exit_code)

    signal.signal(signal.SIGINT, pressed)
    sys.unraisablehook = ignored
    try:
        with patience(lambda: options.interrupted, end):
            yield
    finally:
        over = True
        sys.unraisablehook = ignored_before


def _torch_is_being_imported() -> bool:
    """Whether torch's C++ code may be calling Python: what Python raises there ends the process with a core dump."""
    specification = getattr(sys.modules.get("torch"), "__spec__", None)
    return bool(getattr(specification, "_initializing", False))


def _press_again(hook: CodeType) -> None:
    """Give the main thread Ctrl-C from another one; where the system can, out of what it waits for.

    Not before it has left the hook that told of the first one: there it would be ignored again.
    """
    main = threading.main_thread().ident or 0
    while any(frame.f_code is hook for frame, _ in traceback.walk_stack(sys._current_frames().get(main))):
        time.sleep(0.001)
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        signal.pthread_kill(main, signal.SIGINT)


@contextmanager
def _ctrl_c_given_back() -> Iterator[None]:
    """Leave Ctrl-C behind as it was before this block."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)


def _rescued(options: Settings) -> str:
    """Have what there is of a page written, in seconds or not at all, and return what is missing of it."""
    missing = list[str]()

    def write() -> None:
        with suppress(Exception):  # the end comes all the same
            missing.append(options.rescue() if options.rescue is not None else "")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(_RESCUE)
    return "".join(missing)


def _interrupted(options: Settings, missing: str = "") -> click.exceptions.Exit:
    """Say that Ctrl-C ended the command (in a library it may look like any error), and what it had written."""
    kept = ", ".join(str(path) for path in sorted(options.written) if _is_new(path, options))
    words = f"kept {kept}" + (f", {missing}" if missing else "") if kept else "nothing was finished"
    if options.unfinished is not None and options.unfinished.exists():
        words += "; --resume goes on from the last steps whose state was kept"
    click.echo(printable(f"interrupted: {words}"), err=True)
    return click.exceptions.Exit(INTERRUPTED)


def _is_new(path: Path, options: Settings) -> bool:
    return FileState.found(path) not in (None, options.written[path])


@contextmanager
def _notes_on_stderr() -> Iterator[None]:
    """Show each `ConvscopeWarning` as one line, once; what libraries warn of, and log so, is theirs."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        note(" ".join(str(message).split()))

    only_errors = logging.StreamHandler()
    only_errors.setLevel(logging.ERROR)
    last_resort, logging.lastResort = logging.lastResort, only_errors
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("default", ConvscopeWarning)
            warnings.showwarning = show
            yield
    finally:
        logging.lastResort = last_resort


def _shows_traceback() -> bool:
    return os.environ.get(_TRACE, "0") not in ("", "0")


def _one_line(message: object) -> str:
    return printable(" ".join(str(message).split()))


def _what_to_do(error: Exception) -> str:
    """Return the words for an error that nobody foresaw: a package that is gone is the environment's, not a fault."""
    if isinstance(error, ModuleNotFoundError) and not (error.name or "convscope").startswith("convscope"):
        return (
            f"convscope needs the module {error.name}, and this Python ({sys.executable}) has none: install convscope "
            "again with what it needs, python -m pip install convscope"
        )
    return (
        f"{type(error).__name__}: {error}. That is a fault of convscope: please report it, with what {_TRACE}=1 says "
        "of where it is"
    )
