"""The README's pictures of the last run's report: `make screenshots`, or `python docs/screenshots.py`.

Needs Chromium. Opens pages as a reader would, with nothing but the file itself to load from.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

REPORT = Path("reports/report.html")
PICTURES = Path("docs/pictures")
FLAGS = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
LAPTOP_PIXELS, PHONE_PIXELS = 1280, 375

# picture -> (the part of the page that it shows, width of the window, colour scheme)
SHOTS: dict[str, tuple[str, int, Literal["light", "dark"]]] = {
    "report.png": ("top", LAPTOP_PIXELS, "light"),
    "report-phone.png": ("top", PHONE_PIXELS, "dark"),
    "report-classes.png": ("classes", LAPTOP_PIXELS, "light"),
    "report-looks.png": ("looks", LAPTOP_PIXELS, "light"),
    "report-inside.png": ("inside", LAPTOP_PIXELS, "dark"),
}


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


def main() -> None:
    """Take every picture of SHOTS."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name, (anchor, width, scheme) in SHOTS.items():
            page = open_page(browser, REPORT, width, scheme)
            if anchor != "top":
                page.locator(f"#{anchor}").scroll_into_view_if_needed()
            page.screenshot(path=PICTURES / name)
            page.close()


if __name__ == "__main__":
    main()
