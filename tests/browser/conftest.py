"""Pages of every kind, from the reports that the tests of templates make, and a browser to open them in."""

# ruff: noqa: E501  (attacks are long lines)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from inert import CHROMIUM, FLAGS

from secml_workbench.base import Record, atomic_write, dumps, load_settings
from secml_workbench.reports import KINDS, build_index, frame, record_of, render_html
from secml_workbench.view import (
    Markup,
    badge,
    escape,
    heading,
    highlight,
    legend,
    note,
    paragraph,
    table,
    texts_as_data,
)

COLUMNS = ("first", "second", "third", "fourth", "fifth")
SOURCE = "This <b>source</b> & a source name without any blanks in it: " + "long_" * 20


def publish(folder: Path, name: str, notebook: Any, record: Record) -> None:
    "A report's page and record, as run_report writes them."
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.html").write_text(render_html(notebook, record), encoding="utf-8")
    atomic_write(folder / f"{name}.json", dumps(record.to_dict()))


def executed(report_of: Callable[[str], Path], kind: str) -> Any:
    "The notebook of a report."
    return nbformat.read(report_of(kind) / "tiny" / f"{kind}.ipynb", as_version=4)


def failed(notebook: Any) -> tuple[Any, Record]:
    "A report that stopped at its tenth output."
    cells = [cell for cell in notebook.cells if cell.get("outputs")][:10]
    error = nbformat.v4.new_output("error", ename="ValueError", evalue=SOURCE * 3, traceback=[])
    cells[-1].outputs = [error]
    notebook = nbformat.v4.new_notebook(cells=cells)
    return notebook, Record("tuning", SOURCE, "The tuning report failed before it had an answer.", status="failed", error=SOURCE * 3)


def parts() -> str:
    "Every part in every colour that it has: all steps of a score, all marks and notes, a chosen row, invisible characters."
    words = "one two\u200b three four five six seven eight nine ten eleven"
    starts = [i for i in range(len(words)) if i == 0 or words[i - 1] == " "]
    spans = [(start, start + 3, step / 5) for start, step in zip(starts, range(-5, 6), strict=True)]
    rows = [{name: "0.981 [0.973, 0.988]" for name in COLUMNS}, {name: f"0.{i}" for i, name in enumerate(COLUMNS)}]
    scored = [highlight(words, spans), highlight(words, spans, signed=False), highlight(words * 9, spans, limit=40)]
    body = heading("Parts", 1, "parts") + legend() + Markup().join(scored) + texts_as_data("a\u202eb" * 300)
    body += Markup().join(note("x" * 20, kind) for kind in ("info", "warn", "fail"))
    body += paragraph(*(badge(mark) for mark in ("pass", "fail", "undecided", "failed"))) + escape("y\u200b")
    body += table(rows, chosen=0, best={"first": "max"}, caption="Best and chosen") + Markup('<p><a href="#parts">a link</a> <code>code</code></p>')
    return frame("parts", body, paragraph("end"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, report_of: Callable[[str], Path]) -> Path:
    "A folder of reports: four kinds of one model, a failed and an unreadable one, another model, the index."
    root = tmp_path_factory.mktemp("site")
    (root / "settings.ini").write_text("[paths]\nmodels_dir = models\nreports_dir = reports\nstate_dir = .secml\n")
    for kind in KINDS:
        notebook = executed(report_of, kind)
        record = record_of(notebook)
        publish(root / "reports" / "tiny", kind, notebook, record)
        publish(root / "reports" / "other", kind, notebook, replace(record, model=f"other {SOURCE[:30]}"))
    publish(root / "reports" / "failed", "tuning", *failed(executed(report_of, "tuning")))
    (root / "reports" / "failed" / "notes.json").write_text("{}")
    (root / "reports" / "parts.html").write_text(parts(), encoding="utf-8")
    build_index(root / "reports", load_settings(root / "settings.ini"))
    return root / "reports"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()
