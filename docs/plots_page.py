"""Make `dvc plots show` work without a network: `python docs/plots_page.py`, which `make` does.

DVC's own page loads Vega from the internet. This writes a page template that carries it, out of the package
vl-convert-python, and names it in `.dvc/config.local`; where that has not been done, DVC uses its own page. Ours also
fits the plots to the window and to its colours, light or dark.
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
<style>
:root { color-scheme: light dark; }
body { margin: 1rem auto; max-width: 44rem; padding: 0 .6rem; font-family: system-ui, sans-serif;
       background: light-dark(#ffffff, #141417); color: light-dark(#1d1d1f, #ececf0); }
body > div { margin-bottom: 3rem; overflow-x: auto; }
.vega-embed { display: block !important; padding-right: 0 !important; }
</style>
<script>{{ vega }}</script>
<script>
// DVC calls vegaEmbed for each plot: as wide as the window has room for, in its colours.
const embed = window.vegaEmbed, dark = matchMedia("(prefers-color-scheme: dark)").matches;
const ink = dark ? "#ececf0" : "#1d1d1f", line = dark ? "#38383f" : "#dcdce1";
const axis = {labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line};
const words = {labelColor: ink, titleColor: ink};
const config = {background: null, axis, header: words, title: {color: ink}, view: {stroke: line},
                legend: {...words, orient: "bottom", direction: "horizontal"}};
const CELL = 13, MARGIN = 110;  // pixels: the least side of a matrix cell; room for its labels

function widthOf(spec, room) {
  if (!spec.facet) return {width: room, autosize: {type: "fit-x", contains: "padding"}};
  const {x, y} = spec.spec.layer[0].encoding;
  const classes = new Set(spec.data.values.flatMap(row => [row[x.field], row[y.field]])).size;
  const side = Math.max(Math.min(room, 560) - MARGIN, CELL * classes);
  return {spec: {...spec.spec, width: side, height: side}};
}

window.vegaEmbed = (id, spec) => {
  const room = document.getElementById(id.slice(1)).clientWidth;
  const isOurs = spec.mark || spec.spec?.layer;  // others of DVC's templates keep their size
  return embed(id, isOurs ? {...spec, ...widthOf(spec, room)} : spec, {config, renderer: "svg"});
};
</script>
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
