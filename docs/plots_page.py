"""Make `dvc plots show` work without a network: `python docs/plots_page.py`, which `make` does.

DVC's own page loads Vega from the internet. This writes a page template that carries it, out of the package
vl-convert-python, and names it in `.dvc/config.local`; where that has not been done, DVC uses its own page.
"""

import subprocess
from pathlib import Path

import vl_convert
from jinja2 import Template

from cifar10.core.files import atomic_write

PAGE = Path(".dvc/plots.html")
VEGA_LITE = "5.20"  # the major version that DVC's plot templates are written for

# What stands in single braces is DVC's to fill; without its {scripts} nothing is loaded.
TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
{refresh_tag}
<title>Plots</title>
<style>body { margin: 2rem; font-family: system-ui, sans-serif; } body > div { margin-bottom: 3rem; }</style>
<script>{{ vega }}</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def main() -> None:
    """Write the template and tell DVC of it."""
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)
    assert "</script" not in vega, "the bundle would end its own element"
    atomic_write(PAGE, Template(TEMPLATE, keep_trailing_newline=True).render(vega=vega))
    subprocess.run(["dvc", "config", "--quiet", "--local", "plots.html_template", PAGE.name], check=True)


if __name__ == "__main__":
    main()
