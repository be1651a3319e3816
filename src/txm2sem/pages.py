"""What all HTML pages have in common: one file without a network, for a screen, a phone, and paper."""

from __future__ import annotations

from html import escape

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""
"""HTML of a page, to be formatted with its `title`, `style` and `body`."""


STYLE = """:root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --pale: #595959; --rule: #d9d9d9;
  --line: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #161616; --ink: #ececec; --pale: #a8a8a8; --rule: #3a3a3a; --line: #56b4e9; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; overflow-wrap: anywhere; }
h2 { margin: 1.6rem 0 .5rem; font-size: 1.2rem; border-bottom: 1px solid var(--rule); }
h3 { margin: .8rem 0 .3rem; font-size: 1rem; font-weight: 600; }
p { margin: .3rem 0; }
header p, .note, caption, figcaption { color: var(--pale); font-size: .875rem; }
figure { margin: 0; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .8rem; }
.curves b { color: var(--ink); }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--pale); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--rule); }
.line { fill: none; stroke: var(--line); stroke-width: 1.75; stroke-linejoin: round; }
.band { fill: var(--line); fill-opacity: .22; }
.dot { fill: var(--line); }
.images { display: grid; gap: .5rem; }
.images img { display: block; width: 100%; height: auto; background: var(--rule); }
details[open] { padding-bottom: 1rem; }
summary { padding: .5rem 0; cursor: pointer; font-weight: 600; }
details + details { border-top: 1px solid var(--rule); }
table { border-collapse: collapse; font-size: .875rem; }
caption { text-align: left; padding-bottom: .2rem; }
th { font-weight: 400; text-align: left; padding: .1rem 1.2rem .1rem 0; vertical-align: top; color: var(--pale); }
td { overflow-wrap: anywhere; }
a:focus-visible, summary:focus-visible { outline: 3px solid var(--line); outline-offset: 2px; }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --pale: #333; --rule: #bbb; --line: #0072b2; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .screen { display: none; }
  figure, article { break-inside: avoid; }
  h2, .note, summary { break-after: avoid; }
  .curves { grid-template-columns: repeat(3, 1fr); }
  * { print-color-adjust: exact; }
}"""
"""Colours of Okabe and Ito 2008 (https://jfly.uni-koeln.de/color/) on the reader's own background."""


def section(title: str, content: str) -> str:
    """Return a part of a page under its heading; `content` is HTML."""
    identity = title.lower().replace(" ", "-")
    return f'<section aria-labelledby="{identity}">\n<h2 id="{identity}">{escape(title)}</h2>\n{content}\n</section>'
