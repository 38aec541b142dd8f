"""Pieces of a self-contained HTML page: style for light, dark and print, tables, pictures, bars."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

STYLE = """\
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5f6b76; --line: #dde2e7; --paper: #fff;
  --card: #f6f8fa; --good: #1a7f4b; --bad: #c0342b; --warn: #9a6700; --calm: #2f6fb3; --bar: #7fb0e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #97a3ae; --line: #343b43;
  --paper: #14181c; --card: #1d2329; --good: #4cc38a; --bad: #ff7b70; --warn: #e0b04c; --calm: #79b8ff;
  --bar: #3d6d9e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 74rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.55rem; line-height: 1.25; margin: .25rem 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
p { margin: .4rem 0; } a { color: var(--calm); }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
.warn { color: var(--warn); } .calm { color: var(--calm); }
.mono, code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .87em; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem;
  overflow-x: auto; line-height: 1.45; margin: .5rem 0; }
.badge { display: inline-block; border: 1.5px solid currentColor; border-radius: 999px; padding: .05rem .7rem;
  font-weight: 650; font-size: .9rem; letter-spacing: .01em; }
.banner { border: 1px solid var(--warn); border-left-width: 5px; border-radius: 6px; padding: .5rem .9rem;
  margin: .8rem 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.fact { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .45rem .7rem; }
.fact b { display: block; font-size: 1.08rem; font-weight: 600; overflow-wrap: anywhere; }
.fact span { color: var(--soft); font-size: .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: .5rem 0; }
th, td { text-align: left; padding: .32rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .9rem; }
.stage { display: grid; grid-template-columns: 2fr 1fr; gap: .9rem; align-items: start; }
.stage > :first-child { grid-row: span 2; }
figure { margin: 0; } figure img, figure video { width: 100%; border-radius: 6px; border: 1px solid var(--line);
  display: block; } figcaption { color: var(--soft); font-size: .82rem; margin-top: .25rem;
  overflow-wrap: anywhere; }
.tree { margin: .5rem 0; } .tree details { margin-left: 1.15rem; } .tree > details { margin-left: 0; }
.tree summary { cursor: pointer; display: flex; gap: .6rem; align-items: baseline; padding: .12rem .3rem;
  border-radius: 4px; list-style: none; } .tree summary::-webkit-details-marker { display: none; }
.tree summary:hover { background: var(--card); } .tree .label { flex: 1 1 auto; overflow-wrap: anywhere; }
.tree .mark { flex: 0 0 1.1rem; text-align: center; font-weight: 700; }
.tree .lane { flex: 0 0 16rem; height: .62rem; background: var(--card); border-radius: 3px; position: relative;
  align-self: center; } .tree .lane i { position: absolute; top: 0; bottom: 0; min-width: 2px; border-radius: 3px;
  background: var(--bar); } .tree .lane i.bad { background: var(--bad); }
.tree .time { flex: 0 0 4.6rem; text-align: right; color: var(--soft); font-variant-numeric: tabular-nums;
  font-size: .85rem; }
.tree .gallery { margin: .3rem 0 .5rem 2rem; grid-template-columns: repeat(auto-fill, minmax(13rem, 17rem)); }
.tree .why { margin: .1rem 0 .3rem 2rem; } .tree .leaf summary { cursor: default; }
.evidence { margin: .1rem 0 .4rem 2rem; font-size: .85rem; color: var(--soft); overflow-wrap: anywhere; }
.bars { display: flex; height: 1.5rem; border-radius: 5px; overflow: hidden; margin: .6rem 0 .3rem;
  border: 1px solid var(--line); } .bars i { min-width: 1px; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; font-size: .85rem; color: var(--soft); }
.legend i { display: inline-block; width: .75rem; height: .75rem; border-radius: 2px; margin-right: .35rem;
  vertical-align: -1px; }
.plot { background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: .4rem; }
.plot img { border: 0; }
@media (max-width: 45rem) { .stage { grid-template-columns: 1fr; }
  .tree .lane { display: none; } .tree details { margin-left: .7rem; } }
@media print { :root { --ink: #000; --paper: #fff; --card: #f4f4f4; --soft: #444; --line: #bbb; --good: #0a6b3a;
  --bad: #a3231b; } body { max-width: none; font-size: 10.5pt; padding: 0; } pre { white-space: pre-wrap; }
  figure, tr, .fact, .banner { break-inside: avoid; } h2 { break-after: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""

COLORS = ("#3f7fbf", "#e08e3c", "#4f9d69", "#b5547a", "#8a6fc0", "#8c8c8c")
_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml", ".mp4": "video/mp4"}


def page(title: str, body: Iterable[str]) -> str:
    """A whole document; it loads nothing from anywhere."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "media-src data:; style-src 'unsafe-inline'\">"
        f"<title>{text(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def text(value: object) -> str:
    """Anything as HTML text."""
    return html.escape(str(value))


def section(title: str, *parts: str) -> str:
    """A heading with what belongs to it; nothing if there is nothing."""
    content = "\n".join(part for part in parts if part)
    return f"<section><h2>{text(title)}</h2>\n{content}\n</section>" if content else ""


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Small cards: a value over its name."""
    cards = (f'<div class="fact"><b>{text(value)}</b><span>{text(name)}</span></div>' for name, value in pairs)
    return f'<div class="facts">{"".join(cards)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]], numeric: Iterable[int] = ()) -> str:
    """A table of plain values; `numeric` columns are right-aligned. Cells of type `Html` stay as they are."""
    right = set(numeric)

    def cell(tag: str, column: int, value: object) -> str:
        inner = value if isinstance(value, Html) else text(value)
        return f"<{tag}{' class=n' if column in right else ''}>{inner}</{tag}>"

    header = "".join(cell("th", i, name) for i, name in enumerate(head))
    lines = ["".join(cell("td", i, value) for i, value in enumerate(row)) for row in rows]
    if not lines:
        return ""
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'


class Html(str):
    """Text that is HTML already."""


def data_uri(path: Path) -> str:
    """A file as a `data:` address."""
    return f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def picture(path: Path, caption: str) -> str:
    """An embedded picture; nothing if the file is not there."""
    if not path.is_file():
        return ""
    words = text(caption)
    return f'<figure><img alt="{words}" src="{data_uri(path)}"><figcaption>{words}</figcaption></figure>'


def film(path: Path, caption: str, poster: Path | None = None) -> str:
    """An embedded video; nothing if the file is not there.

    Args:
        path: The video.
        caption: For a person.
        poster: A picture that stands there until the video plays.
    """
    if not path.is_file():
        return ""
    still = f' poster="{data_uri(poster)}"' if poster is not None and poster.is_file() else ""
    return (
        f'<figure><video controls muted loop preload="metadata"{still} src="{data_uri(path)}"></video>'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def stage(large: str, *figures: str) -> str:
    """One figure large, and others beside it; all alike where there is no large one."""
    if not large:
        return gallery(figures)
    return f'<div class="stage">{large}{"".join(figures)}</div>'


def gallery(figures: Iterable[str]) -> str:
    """Figures side by side."""
    present = [figure for figure in figures if figure]
    return f'<div class="gallery">{"".join(present)}</div>' if present else ""


def bars(parts: Sequence[tuple[str, float]]) -> str:
    """One bar divided in proportion, with a legend in seconds."""
    total = sum(seconds for _, seconds in parts)
    if total <= 0:
        return ""
    pieces = "".join(
        f'<i style="width:{100 * seconds / total:.2f}%;background:{COLORS[i % len(COLORS)]}"></i>'
        for i, (_, seconds) in enumerate(parts)
    )
    legend = "".join(
        f'<span><i style="background:{COLORS[i % len(COLORS)]}"></i>{text(name)} {seconds:.2f} s</span>'
        for i, (name, seconds) in enumerate(parts)
    )
    return f'<div class="bars">{pieces}</div><div class="legend">{legend}</div>'
