"""Hostile fuzz of the gate from data to HTML: what a notebook cannot hold."""

# ruff: noqa: E501  (attacks are long lines)

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secml_workbench.base import RECORD_MIME, InputError, Record
from secml_workbench.view import (
    Card,
    FirstScreen,
    Markup,
    escape,
    facts,
    heading,
    highlight,
    note,
    paragraph,
    sanitize,
    table,
    texts_as_data,
    visible,
)

PARTS = [
    "<script>", "</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "javascript:alert(1)", "'", '"', "`", "&lt;", "&", ">",
    "<!--", "-->", "<![CDATA[", "<style>", "</style>", "<a href=//evil.example>", "<math>", "<mtext>", "<template>", "<noscript>", "</title>",
    "\u202e", "\u2066", "\u200b", "\ufeff", "\x00", "\x1b[31m", "\ud800", "\udfff", "\U000e0041", "\u0301" * 9, "日本", "العربية", "👩‍👩‍👧", "\r\n", "\t", "word ",
    "=", " style=background:url(//evil.example)", " onclick=alert(1) ", "{{7*7}}", "$\\href{javascript:alert(1)}{x}$", "%3Cscript%3E",
    "&#x202e;", "&#8203;", "&#0;", "<form action=//evil.example>", "<input autofocus>", "<iframe srcdoc=x>", "<object data=x>", "<embed src=x>",
    "<meta http-equiv=refresh>", "<link rel=stylesheet>", "<base href=//evil.example>",
]
LIVE = re.compile(r"<\s*/?\s*(script|style|svg|math|iframe|object|embed|form|input|meta|link|base|template|noscript)\b", re.I)
TAG = re.compile(r"<[^>]*>")


HOSTILE = st.lists(st.sampled_from(PARTS), min_size=1, max_size=30).map("".join)
PIECE = st.sampled_from(PARTS) | HOSTILE.map("<{}>".format) | HOSTILE | st.sampled_from(["<p>", "</p>", "<table><td>", "<b title='"])
DIRTY = st.lists(PIECE, min_size=9, max_size=9).map("".join)
PLACE, SCORE = st.integers(-9, 200), st.floats(-2, 2)
SPANS = st.lists(st.tuples(PLACE, PLACE, SCORE), max_size=40)


def assert_inert(page: str) -> None:
    page.encode("utf-8")  # no lone surrogate came through
    assert not LIVE.search(page), page
    for tag in TAG.findall(page):
        bare = re.sub(r'"[^"]*"', '""', tag)
        assert not re.search(r"\s(on\w+|style|srcset|action|formaction)\s*=", bare, re.I), tag
        assert not re.search(r'(href|src)="(?!#|data:image/|[\w][\w./-]*\.html)', tag), tag
    assert not [c for c in page if c not in "\n\t\u3000\ufe0e\ufe0f" and not c.isprintable()], ascii(page)


@settings(max_examples=60)
@given(a=HOSTILE, b=HOSTILE, c=HOSTILE, spans=SPANS)
def test_every_builder_holds_against_hostile_text(a: str, b: str, c: str, spans: list[tuple[int, int, float]]) -> None:
    screen = FirstScreen(Record(a, b, c, status="failed", error=a), [Card(a, b, c, "fail")], a, b, [(a, b)])
    bundle = screen._repr_mimebundle_()
    for markup in (
        escape(a), escape(a, 5), texts_as_data(a, 20), highlight(a, spans), highlight(a, spans, limit=7), paragraph(a, Markup("<b>x</b>"), b),
        note(a, "warn"), heading(a, 2, "here"), table([{a: b, b: c}, {a: 1, b: None}], caption=c, chosen=1), facts({a: b, b: [c, {a: c}]}),
        screen.markup(),
    ):
        assert_inert(markup.html)
        assert_inert(sanitize(markup.html))
    assert bundle[RECORD_MIME]["model"].isascii() or "\ud800" not in bundle[RECORD_MIME]["model"]


@settings(max_examples=300)
@given(DIRTY)
def test_sanitize_makes_anything_inert(dirty: str) -> None:
    clean = sanitize(dirty)
    assert_inert(clean)
    assert sanitize(clean) == clean


@settings(max_examples=100)
@given(text=HOSTILE, spans=SPANS)
def test_highlight_loses_and_adds_nothing(text: str, spans: list[tuple[int, int, float]]) -> None:
    page = re.sub(r'<span class="s-vh">.*?</span>', "", highlight(text, spans, limit=None).html)
    shown = re.sub(r"\s*×\d+ ", "", html.unescape(TAG.sub("", page)).replace("U+000D", ""))
    expected = re.sub(r"\s*×\d+ ", "", visible(text).replace("⟨", "").replace("⟩", "").replace("U+000D", ""))
    strip = str.maketrans("", "", "\u0301")  # stacked marks are counted from each piece's beginning
    clean = [re.sub(r"(U\+0301)+", "", value.translate(strip)) for value in (shown, expected)]
    assert clean[0].replace("\n", "") == clean[1].replace("\n", "")


def test_highlight_marks_the_original_offsets() -> None:
    text = "a\u200bb\u202ecd"
    page = highlight(text, [(4, 6, 1.0)]).html
    assert re.search(r'<mark class="s-p5" title="\+1">cd<', page)
    assert page.index("U+202E") < page.index("<mark")


def test_a_hundred_thousand_characters_and_spans_are_quick() -> None:
    import time

    started = time.process_time()
    text = "ab\u200b " * 25_000
    page = highlight(text, [(i, i + 3, (i % 7 - 3) / 3) for i in range(0, 100_000, 2)]).html
    assert time.process_time() - started < 5 and "98,000 of 100,000 characters left out, strongest score there" in page


def test_what_is_wrong_is_refused() -> None:
    for call in (lambda: heading("x", 2, "a b"), lambda: heading("x", 7, "a"), lambda: note("x", "bad"), lambda: table([{"a": 1}], best={"a": "top"})):
        with pytest.raises(InputError):
            call()


@pytest.mark.parametrize(("cell", "is_number"), [("0.981 [0.973, 0.988]", True), ("−1,234 ms", True), ("64–127", True), ("1gn0r3 all", False), ("3rd", False)])
def test_only_numbers_are_set_to_the_right(cell: str, is_number: bool) -> None:
    assert ("s-num" in table([{"name": "a", "value": cell}]).html) is is_number
