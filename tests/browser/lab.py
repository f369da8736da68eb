"""A JupyterLab server of its own, and a page on it that runs notebooks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat


def notebook(path: Path, *cells: str) -> Path:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    found = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    path.write_text(nbformat.writes(found))
    return path


END = """async names => {
    const headers = {"X-XSRFToken": document.cookie.match(/_xsrf=([^;]*)/)[1]}
    const sessions = (await (await fetch("/api/sessions")).json()).filter(one => names.includes(one.path))
    await Promise.all(sessions.map(one => fetch(`/api/sessions/${one.id}`, {method: "DELETE", headers})))
}"""


class Lab:
    "A page on a JupyterLab server."

    def __init__(self, page, url: str) -> None:
        self.page, self.url, self.outside, self.opened = page, url, [], []
        page.set_default_timeout(120_000)
        page.on("dialog", lambda dialog: (self.outside.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.outside.append(request.url) if self._foreign(request.url) else None)

    def _foreign(self, url: str) -> bool:
        return url.startswith("http") and not url.startswith(self.url)

    def run_all(self, name: str, timeout: float = 240) -> None:
        "Open a notebook, run its cells, wait until the kernel is idle again."
        self.opened.append(name)
        self.page.goto(f"{self.url}/lab/tree/{name}?reset")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        self.page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
        self.page.get_by_text("Run All Cells", exact=True).last.click()
        cells = self.page.locator(".jp-CodeCell")
        last, until = cells.last.locator(".jp-InputPrompt"), time.monotonic() + timeout
        while not last.inner_text().strip("[]: ").isdigit():
            assert time.monotonic() < until, (
                f"{name} still runs: {[one.inner_text() for one in cells.locator('.jp-InputPrompt').all()]}"
            )
            assert not self.errors(), self.errors()
            time.sleep(0.3)
        assert not self.errors(), self.errors()

    def errors(self) -> list[str]:
        "Ends of tracebacks."
        found = self.page.locator(".jp-OutputArea-output").filter(has_text="Traceback (most recent call last)")
        return [one.inner_text()[-600:] for one in found.all()]

    def cell(self, place: int):
        "The output of a code cell."
        return self.page.locator(".jp-CodeCell").nth(place).locator(".jp-OutputArea")

    def close(self) -> None:
        "The page, and the kernels of its notebooks: what runs in one would take the machine from the tests after it."
        if self.opened:
            self.page.evaluate(END, self.opened)
        self.page.close()

    def unharmed(self) -> None:
        assert self.page.evaluate("window.hit") is None and not self.outside


@contextmanager
def lab_server(root: Path) -> Iterator[str]:
    "A JupyterLab without news on a folder; its address."
    own = root / ".settings" / "@jupyterlab"
    (own / "apputils-extension").mkdir(parents=True)
    (own / "notebook-extension").mkdir()
    (own / "apputils-extension" / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    (own / "notebook-extension" / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(root / ".settings"),
        "JUPYTER_CONFIG_DIR": str(root / ".config"),
        "JUPYTER_RUNTIME_DIR": str(root / ".runtime"),
        "JUPYTER_DATA_DIR": str(root / ".data"),
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--allow-root",
        "--no-browser",
        f"--port={port}",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={root}",
    ]
    with (root / ".log").open("w") as log:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{url}/api").read()
                    break
                except OSError:
                    time.sleep(0.2)
            else:
                raise AssertionError((root / ".log").read_text()[-2000:])
            yield url
        finally:
            process.terminate()
            process.wait(20)
