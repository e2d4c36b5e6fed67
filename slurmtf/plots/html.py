"""Charts as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape

from slurmtf.plots.chart import Chart, escape_unprintable
from slurmtf.plots.svg import to_svg

SCRIPT = """
for (const svg of document.querySelectorAll("svg")) {
  const read = svg.parentNode.querySelector(".read");
  const curves = [...svg.querySelectorAll(".curve")];
  for (const curve of curves) {
    const drawn = curve.querySelector(".drawn"), legend = curve.querySelector(".legend");
    curve.dots = JSON.parse(curve.dataset.points);
    legend.addEventListener("click", () => {
      const hidden = drawn.style.display !== "none";
      drawn.style.display = hidden ? "none" : "";
      legend.style.opacity = hidden ? 0.4 : 1;
    });
  }
  svg.addEventListener("mousemove", (event) => {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let best = null, near = Infinity;
    for (const curve of curves) {
      if (curve.querySelector(".drawn").style.display === "none") continue;
      for (const dot of curve.dots) {
        const far = (dot[0] - x) ** 2 + (dot[1] - y) ** 2;
        if (far < near) { near = far; best = curve.dataset.label + ": " + dot[3] + " at " + dot[2]; }
      }
    }
    read.textContent = best || "";
  });
}
"""
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem;
  color: #222; background: #fff }
figure { margin: 0 0 2rem } svg { max-width: 100%; height: auto } .legend { cursor: pointer }
.read { min-height: 1.5em; font-variant-numeric: tabular-nums; color: #555 }
"""
_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'"
"""Content-Security-Policy: this page's own script, and nothing from anywhere else."""


def to_html(title: str, charts: Sequence[Chart]) -> str:
    """Return a page of charts. A click on a legend hides its curve; the value under the mouse is shown."""
    heading = escape(escape_unprintable(title))
    figures = "\n".join(f'<figure>{to_svg(chart, standalone=False)}<div class="read"></div></figure>' for chart in charts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        f"<title>{heading}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{heading}</h1>\n{figures}\n<script>{SCRIPT}</script></body></html>\n"
    )
