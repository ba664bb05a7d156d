"""The walls of the house: data flows left to right, and nothing imports to its right."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import convscope

ROOT = Path(convscope.__file__).parent
TESTS = Path(__file__).parent
# From what everything rests on to what rests on everything; a module may import what stands before it.
ORDER = [
    "errors",
    "unfinished",
    "files",
    "zips",
    "progress",
    "cache",
    "address",
    "ordinary_torch",
    "argument_errors",
    "preset_guide",
    "pictures",
    "network",
    "formats",
    "samples",
    "presentation",
    "jobs",
    "measuring",
    "optimization",
    "looking",
    "attribution",
    "dreaming",
    "styling",
    "objectives",
    "canvases",
    "transforms",
    "presets",
    "report",
    "atlas",
    "rerunning",
    "web",
    "caffe",
    "cli",
]


def package_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("convscope.")}
    return found


def test_nothing_imports_to_its_right() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        here = package_of(path)
        if here in ORDER:
            wrong += [
                f"{path.relative_to(ROOT)} imports {other}"
                for other in imported_packages(path)
                if other in ORDER and ORDER.index(other) > ORDER.index(here)
            ]
    assert not wrong


def test_no_format_imports_another() -> None:
    """What several share stands in formats/ itself; only who opens and writes knows all, and Caffe's means."""
    formats = {path.name for path in (ROOT / "formats").iterdir() if path.is_dir()} - {
        "protobuf",
        "__pycache__",
    }
    wrong = []
    for path in (ROOT / "formats").rglob("*.py"):
        own = path.relative_to(ROOT / "formats").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else []
            if (
                parts[:2] == ["convscope", "formats"]
                and parts[2] in formats - {own}
                and own not in ("openers.py", "expectations.py", "saving.py")
            ):
                wrong.append(f"{path.relative_to(ROOT)} imports {parts[2]}")
    assert not wrong


def test_the_public_names_exist_and_importing_is_light() -> None:
    assert all(hasattr(convscope, name) for name in convscope.__all__)
    code = "import sys, convscope; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_the_public_names_are_one_list() -> None:
    stub = ast.parse((ROOT / "__init__.pyi").read_text(encoding="utf-8"))
    names = [alias for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(alias.name for alias in names) == convscope.__all__ == dir(convscope)
    assert all(alias.asname == alias.name for alias in names)  # else editors do not offer it


def test_folders_without_an_init_file_share_no_test_name() -> None:
    # Such tests are modules of one name space: pytest refuses the second of two with one name, and every test with it.
    names = Counter(p.name for p in TESTS.rglob("test_*.py") if not (p.parent / "__init__.py").exists())
    assert [name for name, count in names.items() if count > 1] == []


def test_regular_expressions_are_ones_that_the_oldest_python_knows() -> None:
    """Python 3.10 has no possessive quantifiers and no atomic groups; nothing else here would tell."""
    newer = re.compile(r"[\])\w.][+*?]\+|\(\?>")
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "(?" in node.value:
                assert not newer.search(node.value), f"{path.relative_to(ROOT)}:{node.lineno}"
