"""The self-test: what works is said to, and what does not is found."""

import json
import re
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from click.testing import CliRunner

import convscope
from convscope import doctor, self_test
from convscope.cli import main


def test_what_works_and_what_it_runs_on() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert {"group": "versions", "name": "convscope", "value": convscope.__version__} in said["facts"]
    assert [check["name"] for check in said["checks"] if check["works"]] == [
        "answer",
        "gradient",
        "see",
        "pictures",
        "cache",
    ]


def test_a_network_that_answers_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of zeros: no espresso, no slope. A processor that computes wrongly looks like this."""
    network = convscope.open_network("builtin")
    dead = network.with_parameters({name: 0 * value for name, value in network.parameters.items()})
    checks = {check.name: check for check in self_test.self_test(dead)}
    assert not checks["answer"].works
    assert not checks["gradient"].works
    assert checks["pictures"].works
    monkeypatch.setattr(self_test, "cache_folder", lambda *_: Path("/dev/null/nowhere"))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "cache         FAILS  NotADirectoryError" in result.stdout
    assert "what fails: cache" in result.stderr


def test_an_environment_without_a_package_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed with --no-deps, or torch removed since: what a doctor is asked first."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for module in ("convscope.self_test", "convscope.network.engine.execution"):
        monkeypatch.delitem(sys.modules, module)
    result = CliRunner().invoke(main, ["doctor"])
    assert "  device        none: torch cannot be imported (" in result.stdout
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: convscope needs the module torch, and this Python (")
    assert "fault of convscope" not in result.stderr


def test_all_that_convscope_needs_is_looked_at() -> None:
    """Of the packages in the metadata: what is missing there is what the first report of a fault has to tell."""

    def plain(name: str) -> str:
        return name.lower().replace("_", "-")

    listed = (line for line in requires("convscope") or () if "extra ==" not in line)
    assert {plain(name) for name in doctor.REQUIRED} == {
        plain(re.split(r"[^\w-]", line)[0]) for line in listed
    }
