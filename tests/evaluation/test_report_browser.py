"""The report in a real browser: what it loads, how wide it is, whether it complains."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from report_fixtures import write_tiny_report
from screenshots import LAPTOP_PIXELS, PHONE_PIXELS, chromium, find_chromium

from cifar10.data.dataset import PreparedData

SMALLEST_TEXT = "Math.min(...[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height))"
CUT_OFF = """[...document.querySelectorAll('svg text')].filter(text => {
    const inner = text.getBoundingClientRect(), outer = text.ownerSVGElement.getBoundingClientRect();
    return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
}).map(text => text.textContent)"""

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, tiny_data: PreparedData) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_tiny_report(path, tiny_data)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE_PIXELS, LAPTOP_PIXELS])
def test_it_is_whole_and_fits_the_window(browser: Browser, report: Path, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]
    assert page.locator("img").count() > 50
    assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # Nothing but a table may be wider than the window and scroll by itself.
    overflowing = "[...document.querySelectorAll('svg, img, p, h1, h2, dl')]"
    assert page.evaluate(f"{overflowing}.filter(e => e.getBoundingClientRect().right > innerWidth).length") == 0
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) > 384) == (scheme == "light")
    # The figures follow the scheme: their text has the page's colours.
    colors = page.evaluate("[...document.querySelectorAll('svg text')].map(text => getComputedStyle(text).fill)")
    assert page.evaluate("getComputedStyle(document.body).color") in colors
    page.close()


def test_text_in_figures_is_large_enough_on_a_phone(browser: Browser, report: Path):
    page = browser.new_page(viewport={"width": PHONE_PIXELS, "height": 800})
    page.goto(report.as_uri())
    assert page.evaluate(SMALLEST_TEXT) > 9
    assert page.evaluate(CUT_OFF) == []
    page.close()


def test_a_hundred_classes_are_readable_on_a_phone(browser: Browser, tmp_path: Path, tiny_data: PreparedData):
    """Their matrix scrolls in its place, and no text is shrunk or cut off; 97 classes have no image."""
    names = ["$x$ and $y$", "<b>&amp;</b>", "a very long name " * 10, *(f"class {k}" for k in range(97))]
    write_tiny_report(tmp_path / "report.html", dataclasses.replace(tiny_data, classes=names))
    page = browser.new_page(viewport={"width": PHONE_PIXELS, "height": 800})
    page.goto((tmp_path / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE_PIXELS
    assert page.evaluate(SMALLEST_TEXT) > 9
    assert page.evaluate(CUT_OFF) == []
    text = page.locator("body").inner_text()
    assert 'no image of "class 0", "class 1", "class 2", "class 3", "class 4" and 92 more' in text
    assert "<b>&amp;</b>" in page.locator("svg").all_text_contents()[3]
    page.close()
