"""The README's picture, of the last run's report or of another: `python docs/screenshots.py [REPORT]`.

Needs Chromium. Opens a page as a reader would, with nothing but the file itself to load from.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

REPORT = Path("reports/report.html")
PICTURE = Path("docs/pictures/report.png")
FLAGS = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
LAPTOP_PIXELS, PHONE_PIXELS, PICTURE_HEIGHT_PIXELS = 1280, 375, 1000


def find_chromium() -> str | None:
    """Path of the system's Chromium or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser that talks to nobody by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS, chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser: Browser, file: Path, width_pixels: int, scheme: Literal["light", "dark"]) -> Page:
    """A file as shown in a window of that width, loaded completely."""
    page = browser.new_page(viewport={"width": width_pixels, "height": 800}, color_scheme=scheme)
    page.goto(file.resolve().as_uri(), wait_until="load")
    return page


def main(report: Path = REPORT) -> None:
    """Take the picture: the head of the report."""
    if not report.is_file():
        sys.exit(f"error: {report}: not found; `dvc repro` makes {REPORT}")
    if find_chromium() is None:
        sys.exit("error: no Chromium here; install the package chromium")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        page = open_page(browser, report, LAPTOP_PIXELS, "light")
        page.set_viewport_size({"width": LAPTOP_PIXELS, "height": PICTURE_HEIGHT_PIXELS})
        page.screenshot(path=PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
