"""Over two hundred attacks in every place that data can take in a page, opened without the page's policy: nothing runs, all can be read."""

# ruff: noqa: E501  (attacks are long lines)

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import payloads
import pytest
from inert import CHROMIUM, NEEDS, Watched
from nbformat import v4

from secml_workbench.base import Record, atomic_write, dumps, load_settings
from secml_workbench.reports import build_index, render_html
from secml_workbench.view import (
    Card,
    FirstScreen,
    Markup,
    badge,
    escape,
    facts,
    heading,
    highlight,
    legend,
    note,
    paragraph,
    scrolling,
    table,
    texts_as_data,
    visible,
)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason=NEEDS)]

GROUPS = [
    "SCRIPTS", "EVENTS", "SVG", "MATH", "STYLES", "FRAMES", "ADDRESSES", "FORMS", "MUTATIONS", "MARKDOWN", "CHARACTERS",
]  # fmt: skip
POLICY = re.compile(r'<meta [^>]*Content-Security-Policy[^>]*>')
PLACES = 14  # of those below, the places that show a text whole


def everywhere(attack: str) -> list[Markup]:
    "What a template can make of a text: each of the gate's functions, with it as text, label, source, column, parameter, file name."
    return [
        heading(attack, 2, "one"), paragraph(attack), note(attack, "warn"), texts_as_data(attack, None), escape(attack), badge("pass", attack),
        table([{"source": attack, attack: 1, "file": f"/data/{attack}.csv"}], caption=attack), table([{attack: attack}]),
        facts({attack: [attack, {attack: attack}]}), highlight(attack, [(0, len(attack), 1.0)]), highlight(attack, [(1, 4, -1.0), (3, 9, 0.4)]),
        legend(attack, attack), scrolling(paragraph("wide"), attack),
    ]  # fmt: skip


def notebook_of(attack: str) -> Any:
    "An executed template on a hostile model: built outputs, raw outputs, a printed text, an error, prose."
    record = Record("explanation", attack, attack, parameters={attack: attack}, error=attack, provenance={"created": attack, "workbench": attack})
    screen = FirstScreen(record, [Card(attack, attack, attack, "fail")], attack, attack, [(attack, attack)])
    built = {"text/html": "".join(markup.html for markup in everywhere(attack))}
    raw = [{"text/html": f"<div>{attack}</div><p title='{attack}' class={attack}>"}, {"text/markdown": attack, "text/plain": attack}]
    raw += [{"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>{attack}</svg>"}, {"text/latex": attack}]
    outputs = [v4.new_output("display_data", data) for data in (screen._repr_mimebundle_(), built, *raw)]
    outputs += [v4.new_output("stream", text=attack), v4.new_output("error", ename=attack, evalue=attack, traceback=[attack])]
    return v4.new_notebook(cells=[v4.new_code_cell(attack, outputs=outputs), v4.new_markdown_cell(attack)])


def squeezed(text: str) -> str:
    "A text without blanks, and without the brackets that stand around spelt-out characters in plain text only."
    return re.sub(r"[\s\u27e8\u27e9]+", "", text)


def without_policy(page: str) -> str:
    bare, n = POLICY.subn("", page)
    assert n == 1
    return bare


def test_there_are_enough() -> None:
    assert len(set(payloads.PAYLOADS)) >= 200
    assert len(payloads.PAYLOADS) == sum(len(getattr(payloads, group)) for group in GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_attacks_are_shown_and_do_nothing(tmp_path: Path, browser: Any, group: str) -> None:
    watched, page = Watched(browser, bypass_csp=True), tmp_path / "page.html"
    for attack in getattr(payloads, group):
        page.write_text(without_policy(render_html(notebook_of(attack))), encoding="utf-8")
        watched.open(page.as_uri(), wait=20)
        images = watched.tab.evaluate("() => { document.querySelectorAll('img').forEach(image => image.remove()) }")
        found = watched.assert_dead(page.as_uri())
        assert images is None and squeezed(found["text"]).count(squeezed(visible(attack))) >= PLACES, ascii(attack)
    watched.tab.close()


def test_folders_and_files_named_like_attacks(tmp_path: Path, browser: Any) -> None:
    shown = []
    for i, attack in enumerate(payloads.PAYLOADS):
        name = attack.replace("/", "\u2215").replace("\x00", "").encode("utf-8", "ignore").decode()
        if len(name.encode()) > 200:
            continue
        folder = tmp_path / "reports" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "explanation.html").write_text("a page")
        record = Record("explanation", f"{i}:{attack}", attack, status="failed" if i % 2 else "ok", error=attack if i % 2 else None)
        atomic_write(folder / "explanation.json", dumps(record.to_dict()))
        (folder / f"{name}.json").write_text("not ours")
        shown += [name, name]
    (tmp_path / "settings.ini").write_text("[paths]\nreports_dir = reports\n")
    index = build_index(tmp_path / "reports", load_settings(tmp_path / "settings.ini"))
    page = tmp_path / "index.html"
    page.write_text(without_policy(index.read_text(encoding="utf-8")), encoding="utf-8")
    watched = Watched(browser, bypass_csp=True)
    watched.open(page.as_uri(), wait=500)
    text = squeezed(watched.assert_dead(page.as_uri())["text"])
    assert len(shown) > 400 and all(squeezed(visible(name)) in text for name in shown)
    watched.tab.close()
