"""The report of a run as one HTML file: no script, nothing loaded from anywhere, in the colors of the reader's system.

The page is the report's Markdown, so both say the same. Foreign text is kept from acting three times: it is escaped
as Markdown (`card.plain`, `card.fenced`), raw HTML and images of the Markdown are off, and the page's policy allows
neither scripts nor requests.
"""

from __future__ import annotations

from html import escape

from smoltui.core.publish import report as reports
from smoltui.core.publish.curves import curves_svg
from smoltui.core.publish.report import Report
from smoltui.safe_text import redact, safe_line

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
GENERATOR = '<meta name="generator" content="smoltui">'
"""A file with it may be replaced by a newer report."""

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --dim: #59636e; --line: #d1d9e0; --block: #f6f8fa; --link: #0550ae }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --dim: #a8b0b8; --line: #3d444d; --block: #1c2128; --link: #6cb6ff }
  html { background: #111418 }
}
body { color: var(--ink); font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1.5rem }
h1 { font-size: 1.7rem; overflow-wrap: anywhere } h2 { font-size: 1.25rem; margin-top: 2.2rem;
  border-bottom: 1px solid var(--line); padding-bottom: .25rem } h3 { font-size: 1rem; margin-bottom: .3rem }
a { color: var(--link) }
table { border-collapse: collapse; margin: .8rem 0 } th, td { border-bottom: 1px solid var(--line); text-align: left;
  padding: .3rem 1.2rem .3rem 0; vertical-align: top; overflow-wrap: anywhere }
th { color: var(--dim); font-weight: 600 }
thead th:empty { padding: 0; border: 0 } td:first-child { color: var(--dim); overflow-wrap: normal; min-width: 6rem }
pre { background: var(--block); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem;
  white-space: pre-wrap; overflow-wrap: anywhere } code { font: .88em/1.5 ui-monospace, Consolas, monospace }
svg { width: 100%; height: auto; margin: 1rem 0 }
@media print { body { max-width: none; padding: 0; font-size: 11pt } h2, h3 { break-after: avoid }
  table, svg, li { break-inside: avoid } pre { border-color: #999 } }
"""


def page(report: Report) -> str:
    """The whole file."""
    picture = curves_svg(report.record.curves) or f"<p>{escape(reports.NO_CURVES.strip())}</p>"
    title = escape(safe_line(redact(report.title), 200))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
{GENERATOR}
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
{as_html(reports.head(report).removeprefix(reports.MADE_BY))}
{picture}
{as_html(reports.body(report))}
</body>
</html>
"""


def as_html(markdown: str) -> str:
    """Markdown as HTML. Raw HTML in it is shown as text, and images are not loaded."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["html_block", "html_inline", "image"])
    made: str = parser.render(markdown)
    return made
