"""The README and docs/: no link leads nowhere, and the front page stays one."""

import re
from pathlib import Path

import pytest
from conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    for link in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.is_file(), link
        titles = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), flags=re.M) if heading else []
        assert not heading or heading in {title.lower().replace(" ", "-") for title in titles}, link


def test_every_page_is_linked_from_the_readme_which_is_short():
    readme = PAGES[0].read_text(encoding="utf-8")
    assert {page for page in PAGES[1:] if f"({page.relative_to(ROOT)})" not in readme} == set()
    assert len(readme.encode()) <= 9_216


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_is_there(page: Path):
    named = re.findall(r"`(?:pytest tests/)?((?:\w+/)*test_\w+)(?:\.py)?(?:`|::)", page.read_text(encoding="utf-8"))
    there = {path.relative_to(ROOT / "tests").with_suffix("").as_posix() for path in ROOT.glob("tests/**/test_*.py")}
    there |= {name.rpartition("/")[2] for name in there}
    assert [name for name in named if name not in there] == []
