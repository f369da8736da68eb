"""Reports as processes and browsers see them: nothing live in a page, nothing lost by an interrupt or by two runs at once."""

# ruff: noqa: E501  (attacks are long lines)

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
from inert import CHROMIUM, FLAGS, NEEDS, Watched
from nbformat import v4

from secml_workbench.base import Record, load_settings
from secml_workbench.reports import build_index, run_report

HOSTILE_FOLDER = "<img src=x onerror=alert(1)>"
PARAMETERS = 'model: str = "tiny"  # model\ndata: str = "tiny"  # data\nwait: float = 0.0  # seconds\nnote: str = ""  # any text'
WORK = """
import sys, time
from secml_workbench.base import Record
from secml_workbench.view import Card, FirstScreen, Markup, escape, highlight, table, texts_as_data
SCRIPT, LABEL = "</script><script>alert(1);fetch('http://localhost:9/x')</script>", "<img src=x onerror=alert(1)>"
TEXT = SCRIPT + " pay \\u202eevil\\u202c \\x00 \\ud800 \\U000e0041 " + LABEL
record = Record("explanation", model, f"{SCRIPT} decides about {LABEL}.", parameters={"note": note, "python": sys.executable})
time.sleep(wait)
FirstScreen(record, [Card(LABEL, SCRIPT, TEXT, "fail")], TEXT, LABEL, [("one", LABEL)])"""
RAW = """
from IPython.display import HTML, Javascript, Markdown, display
display(highlight(TEXT, [(0, 20, 1.0), (10, 60, -0.5)]), table([{LABEL: TEXT, "n": 1}], caption=SCRIPT), texts_as_data(TEXT))
display(HTML("<script>alert(2)</script><img src='http://localhost:9/y' onerror=alert(3)><a href='javascript:alert(4)' onclick=alert(5)>x</a>"
             "<style>body{background:url(http://localhost:9/z)}</style><iframe src='http://localhost:9/f'></iframe><p style='background:url(//e)'>"
             "<svg onload=alert(6)></svg><meta http-equiv=refresh content='0;url=http://localhost:9/m'><link rel=stylesheet href=http://localhost:9/l>"))
display(Javascript("alert(7)"), Markdown("<script>alert(8)</script>"))
print(TEXT)
TEXT"""


def write_template(path: Path) -> Path:
    cells = [v4.new_markdown_cell("# t\n> t"), v4.new_code_cell(PARAMETERS), v4.new_code_cell(WORK), v4.new_code_cell(RAW)]
    cells[1].metadata["tags"] = ["parameters"]
    cells.append(v4.new_markdown_cell("## One <img src=x onerror=alert(9)> [x](javascript:alert(10)) ![x](http://localhost:9/i)"))
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "settings.ini").write_text("[paths]\nmodels_dir = models\nreports_dir = reports\nstate_dir = .secml\n")
    (root / "models" / HOSTILE_FOLDER).mkdir(parents=True)
    write_template(root / "template.ipynb")
    return root


def report(project: Path, model: str = HOSTILE_FOLDER, **options: object):
    settings = load_settings(project / "settings.ini")
    return run_report("explanation", model, "tiny", template=project / "template.ipynb", settings=settings, progress=False, **options)


@pytest.fixture(scope="module")
def result(project: Path):
    return report(project)


def test_runs_in_this_environment_and_leaves_nothing_that_changes(project: Path, result) -> None:
    record = Record.read(result.json)
    assert result.status == "ok" and record.parameters["python"] == sys.executable
    first = result.ipynb.read_bytes(), result.html.read_bytes()
    again = report(project, force=True)
    assert not again.fresh and (again.ipynb.read_bytes(), again.html.read_bytes()) == first
    assert report(project).fresh
    assert b"\xed\xa0\x80" not in again.json.read_bytes() and json.loads(again.json.read_text())["schema"] == "secml.report/1"


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason=NEEDS)
def test_pages_do_nothing_in_a_browser(project: Path, result) -> None:
    from playwright.sync_api import sync_playwright

    index = build_index(result.json.parent.parent, load_settings(project / "settings.ini"))
    handler = partial(SimpleHTTPRequestHandler, directory=str(index.parent))
    handler.log_message = lambda *args: None  # type: ignore[attr-defined]
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for page in (result.html, index):
                address = f"http://127.0.0.1:{server.server_port}/{page.relative_to(index.parent).as_posix()}"
                for url in (page.as_uri(), address):
                    assert_dead(browser, url)
            browser.close()
    finally:
        server.shutdown()


def assert_dead(browser, url: str) -> None:
    watched = Watched(browser)
    watched.open(url, wait=300)
    found = watched.assert_dead(url)
    assert "onerror=alert(1)" in found["text"], "the attack is shown as text"
    assert not set(found["text"] + found["title"]) & set("\u202e\u202c\x00\U000e0041")
    watched.tab.close()


RUN = """
import sys; from pathlib import Path
from secml_workbench.reports import run_report
from secml_workbench.base import load_settings
root = Path(sys.argv[1]); settings = load_settings(root / "settings.ini")
result = run_report("explanation", "tiny", "tiny", template=root / "template.ipynb", settings=settings, force=True,
                    parameters={"wait": sys.argv[2], "note": sys.argv[3] * 50000}, progress=False)
print(result.status)
"""


def start(project: Path, wait: float, note: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", RUN, str(project), str(wait), note], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except (OSError, ValueError):
            continue
    return found


def wait_for_kernel(process: subprocess.Popen) -> list[int]:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        kernels = [pid for pid in children(process.pid) if b"ipykernel" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        if kernels:
            time.sleep(3)  # until it sleeps in the cell
            return kernels
        time.sleep(0.1)
    raise AssertionError("no kernel came up: " + (process.communicate()[1] if process.poll() is not None else ""))


def gone(pids: list[int]) -> bool:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        if not any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_the_old_report_stays(project: Path, number: int) -> None:
    old = report(project, "tiny")
    before = [path.read_bytes() for path in (old.html, old.json, old.ipynb)]
    process = start(project, 60, "x")
    kernels = wait_for_kernel(process)
    os.kill(process.pid, number)
    assert process.wait(timeout=30) != 0
    assert gone(kernels), "the kernel outlived its report"
    assert [path.read_bytes() for path in (old.html, old.json, old.ipynb)] == before
    assert not list(old.html.parent.glob(".tmp-*"))
    assert report(project, "tiny").fresh, "and its lock does not block the next run"


def test_two_at_once_give_one_whole_report(project: Path) -> None:
    both = [start(project, 0, note) for note in "ab"]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == ["ok", "ok"]
    folder = load_settings(project / "settings.ini").reports_dir / "tiny"
    record = Record.read(folder / "explanation.json")
    notebook = nbformat.read(folder / "explanation.ipynb", as_version=4)
    said = set(record.parameters["note"])
    assert len(said) == 1 and len(record.parameters["note"]) == 50_000
    assert said.pop() * 1000 in notebook.cells[2].source
