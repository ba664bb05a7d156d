"""Make every picture of the documentation again, by running its own examples.

    python docs/make_pictures.py                                  # all of them: some minutes
    python docs/make_pictures.py --builtin                        # after the built-in network was replaced
    python docs/make_pictures.py README.md filters.md             # those of some documents
    python docs/make_pictures.py --data ../shared/data            # where the real networks are

Each picture that a document links to is made by a command that stands in that document. A report's picture is a
screenshot of its top, or of the section it is called after (``report-dreams.png``), in the dark where it says so
(Chromium's path in the variable CHROMIUM, else the one that is installed). The examples run in a folder and
with a cache of their own, so that no picture's recipe holds a path of this machine and none is an old one. Without the
data, documents that use the built-in network alone still work.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from examples import prepare, run_document
from PIL import Image

DOCUMENTS = Path(__file__).resolve().parent
PICTURES = DOCUMENTS / "pictures"
_LINK = re.compile(r"(?:\]\(|src=\")(?:docs/)?pictures/([\w.-]+)")
_BUILTIN = re.compile(r"^\$ convscope \S+ builtin", re.MULTILINE)
_CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main() -> None:
    """Run the examples and keep the pictures."""
    parser = argparse.ArgumentParser(description="Make every picture of the documentation again.")
    parser.add_argument("--data", type=Path, default=DOCUMENTS.parent.parent / "shared" / "data")
    parser.add_argument("--builtin", action="store_true", help="documents that show the built-in network")
    parser.add_argument("documents", nargs="*", help="some documents' names")
    given = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    for document in [DOCUMENTS.parent / "README.md", *sorted(DOCUMENTS.glob("*.md"))]:
        if not (given.documents and document.name not in given.documents) and has_pictures(
            document, of_builtin=given.builtin
        ):
            make(document, given.data.resolve(), "builtin" if given.builtin else "")
    print(f"{sum(path.stat().st_size for path in PICTURES.iterdir()):,} bytes in {PICTURES.name}/")


def has_pictures(document: Path, *, of_builtin: bool) -> bool:
    """Tell whether a document has pictures to make: any, or some of the built-in network."""
    text = document.read_text(encoding="utf-8")
    return bool(_LINK.search(text)) and (not of_builtin or bool(_BUILTIN.search(text)))


def make(document: Path, data: Path, network: str = "") -> None:
    """Run one document's examples (or those on one network) in a new folder, and copy the pictures it links to."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = Path(name)
        os.environ["CONVSCOPE_CACHE"] = str(folder / "cache")
        if data.is_dir():
            prepare(folder, data)
        print("\n".join([f"{document.name}:", *run_document(document, network)]))
        for picture in dict.fromkeys(_LINK.findall(document.read_text(encoding="utf-8"))):
            if picture.startswith("report") and (folder / "report.html").is_file():
                screenshot(
                    folder / "report.html", folder / picture, width=390 if "phone" in picture else 1200
                )
            if (folder / picture).is_file():
                shutil.copy(folder / picture, PICTURES / picture)
                print(f"  {picture}")


def screenshot(page: Path, target: Path, *, width: int) -> None:
    """Photograph a report as a browser shows it: its top, or the section that the picture is called after."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_CHROMIUM)
        view = browser.new_page(
            viewport={"width": width, "height": 945},
            color_scheme="dark" if "dark" in target.name else "light",
        )
        view.goto(page.as_uri())
        sections = [view.query_selector(f"#{word}") for word in target.stem.split("-")[1:]]
        (next(filter(None, sections), None) or view).screenshot(path=target)
        browser.close()
    with Image.open(target) as image:
        image.convert("RGB").quantize(256).save(target, optimize=True)


if __name__ == "__main__":
    main()
