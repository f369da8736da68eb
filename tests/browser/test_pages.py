"""Every kind of page and the index as readers meet them: narrow and wide, light and dark, by keyboard, printed, and by axe."""

# ruff: noqa: E501  (JavaScript)

from __future__ import annotations

import re
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from inert import CHROMIUM, NEEDS, Watched

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason=NEEDS)]

PAGES = ("tiny/tuning", "tiny/quantization", "tiny/explanation", "tiny/features", "failed/tuning", "index", "parts")
WIDTHS = (360, 800, 1400)
MOST_BYTES = 3_000_000
LAYOUT = """() => {
    const box = e => e.getBoundingClientRect(), all = s => [...document.querySelectorAll(s)], wide = document.documentElement.clientWidth;
    const scrolls = all('.s-scroll').filter(e => e.scrollWidth > e.clientWidth);
    return {
        scroll: document.documentElement.scrollWidth,
        first: Math.max(...all('h1, .s-finding').slice(0, 2).map(e => box(e).bottom)),
        stuck: scrolls.filter(e => e.tabIndex !== 0 || !e.getAttribute('aria-label') || e.getAttribute('role') !== 'region').length,
        bare: scrolls.filter(e => !getComputedStyle(e).backgroundImage.includes('gradient')).length,
        outside: all('p, h1, h2, h3, dl, pre, figcaption, .s-card, .s-note').filter(e => !e.closest('.s-scroll') && box(e).right > wide + 1).map(e => e.className),
        figures: all('figure img').map(e => box(e).width), scrolling: scrolls.length}}"""
AXE = """async () => {
    const found = await axe.run(document, {resultTypes: ['violations', 'incomplete']});
    const bad = list => list.filter(r => ['serious', 'critical'].includes(r.impact)).flatMap(r => r.nodes.map(n => `${r.id}: ${n.html.slice(0, 160)} ${n.failureSummary}`));
    return {violations: bad(found.violations), untold: bad(found.incomplete)}}"""


def address(site: Path, name: str) -> str:
    return (site / f"{name}.html").as_uri()


def look(browser: Any, url: str, width: int, scheme: str) -> Watched:
    "A page without its policy: what it does not do then, it cannot do."
    watched = Watched(browser, viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    watched.open(url)
    return watched


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_and_axe_finds_nothing(site: Path, browser: Any, name: str) -> None:
    "At each width in both schemes; axe, which asks for colours in the one and for places in the other, at four of the six."
    watched = look(browser, address(site, name), WIDTHS[0], "light")
    watched.assert_dead(address(site, name))

    def turn(width: int, scheme: str) -> str:
        watched.tab.set_viewport_size({"width": width, "height": 800})
        watched.tab.emulate_media(color_scheme=scheme)
        return f"{width} pixels, {scheme}"

    for width, scheme in product(WIDTHS, ("light", "dark")):
        here = turn(width, scheme)
        found = watched.tab.evaluate(LAYOUT)
        assert found["scroll"] <= width, f"the page scrolls sideways: {here}"
        assert found["outside"] == [] and found["stuck"] == 0 and found["bare"] == 0, here
        assert width < 800 or found["first"] <= 800, f"the verdict is not on the first screen: {here}"
        assert width > 360 or (min(found["figures"], default=520) >= 520 and found["scrolling"] > 0), here
    watched.tab.add_style_tag(content=".s-scroll { background-image: none !important }")  # axe does not judge text on gradients
    watched.tab.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    for width, scheme in ((360, "light"), (800, "dark"), (1400, "light"), (1400, "dark")):
        here = turn(width, scheme)
        judged = watched.tab.evaluate(AXE)
        assert judged["violations"] == [], here
        untold = [said for said in judged["untold"] if "non-text characters" not in said]  # a cell that is led by ▸
        assert width < 1400 or untold == [], f"axe cannot judge what is cut off, so this is asked where nothing is: {here}"
    watched.assert_quiet(address(site, name))
    watched.tab.close()


def test_the_keyboard_scrolls_a_wide_table(site: Path, browser: Any) -> None:
    watched = look(browser, address(site, "tiny/quantization"), 360, "light")
    here = "() => document.activeElement.matches('.s-scroll') && document.activeElement.scrollWidth > document.activeElement.clientWidth"
    for _ in range(40):
        watched.tab.keyboard.press("Tab")
        if watched.tab.evaluate(here):
            break
    assert watched.tab.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    watched.tab.keyboard.press("ArrowRight")
    watched.tab.wait_for_function("() => document.activeElement.scrollLeft > 0", timeout=3000)
    watched.tab.close()


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_small_and_print(site: Path, browser: Any, name: str) -> None:
    assert (site / f"{name}.html").stat().st_size <= MOST_BYTES
    watched = look(browser, address(site, name), 688, "dark")  # A4 between the margins
    watched.tab.emulate_media(media="print")
    ground, wide = watched.tab.evaluate("() => [getComputedStyle(document.body).backgroundColor, document.documentElement.scrollWidth]")
    assert ground == "rgb(255, 255, 255)" and wide <= 688 * 1.2, "dark on paper, or more than the printer's scale can mend"
    assert watched.tab.evaluate("() => [...document.querySelectorAll('h2')].every(e => e.offsetHeight > 0)")
    pages = len(re.findall(rb"/Type\s*/Page\b", watched.tab.pdf(format="A4")))
    height = watched.tab.evaluate("() => document.documentElement.scrollHeight")
    watched.tab.close()
    assert 1 <= pages <= 2 + 1.6 * height / 1000, f"{pages} pages for {height} pixels"
