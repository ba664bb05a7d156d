"""``convscope doctor``: what there is to work with, and whether it works."""

from __future__ import annotations

from dataclasses import asdict

import click

from convscope.cli.options import json_option
from convscope.cli.result_paths import print_json, printable


@click.command()
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Where the self-test runs: cpu, cuda, mps.",
)
@json_option
def doctor(device: str, as_json: bool) -> None:
    """Say what convscope runs on: versions, device, threads, cache, what is optional. Then test it, within seconds.

    The exit status is 1 where a check fails. What it prints is what a report of a fault should begin with.
    """
    from convscope.doctor import facts
    from convscope.errors import ConvscopeError

    machine = facts()
    if not as_json:
        for group in dict.fromkeys(fact.group for fact in machine):
            click.echo(click.style(group, bold=True))
            for fact in machine:
                if fact.group == group:
                    click.echo(f"  {fact.name:<13} {printable(fact.value)}")
        click.echo(click.style("self-test", bold=True))
    from convscope.formats.opening import open_network  # only now: without torch there are the facts at least
    from convscope.network.engine.execution import best_device
    from convscope.self_test import self_test

    checks = []
    for check in self_test(open_network("builtin", device=best_device() if device == "auto" else device)):
        checks.append(check)
        if not as_json:
            verdict = click.style("works" if check.works else "FAILS", fg="green" if check.works else "red")
            click.echo(f"  {check.name:<13} {verdict}  {printable(check.seen)} ({check.seconds:.1f} s)")
    if as_json:
        print_json(
            {"facts": [asdict(fact) for fact in machine], "checks": [asdict(check) for check in checks]}
        )
    if failed := [check.name for check in checks if not check.works]:
        raise ConvscopeError(f"what fails: {', '.join(failed)}. Report it with all of the above")
