"""The wheel: what it holds, and a report made from it in a folder that is no checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = sorted((ROOT / "nbs" / "reports").glob("5[0-9]_*_report.ipynb"))
COLUMNS = ("--text-column", "prompt", "--label-column", "verdict")


def test_the_wheel_holds_templates_assets_and_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert len(TEMPLATES) == 4 and {f"secml_workbench/templates/{p.name}" for p in TEMPLATES} <= names
    assert "secml_workbench/py.typed" in names
    assert any(n.startswith("secml_workbench/assets/") for n in names)
    assert not any(n.startswith(("tests/", "nbs/", "benchmarks/")) for n in names)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    "The wheel, unpacked into a folder of its own as pip does it."
    target = tmp_path_factory.mktemp("wheel") / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", target, wheel]
    subprocess.run(pip, check=True, capture_output=True)
    return target


def test_a_report_from_the_wheel_in_a_folder_that_is_no_checkout(installed, tmp_path, tiny_model, strange_corpus):
    model = shutil.copytree(tiny_model, tmp_path / "<img src=x onerror=alert(1)>")
    command = [sys.executable, "-c", "import sys; from secml_workbench.cli import main; main()"]
    command += ["report", "features", "--model", model, "--data", strange_corpus, *COLUMNS]  # most assets
    command += ["--positive-label", "attack", "-p", "semantic=False", "-p", "max_train_rows=60", "--json"]
    env = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    (report,) = json.loads(done.stdout)["reports"]
    page = Path(report["html"])
    assert page.is_relative_to(tmp_path / "reports") and "<" not in str(page.relative_to(tmp_path))
    assert "<img src=x" not in page.read_text() and "<script" not in page.read_text()
    record = json.loads(Path(report["json"]).read_text())
    assert record["schema"] == "secml.report/1" and record["status"] == "ok"
    assert (tmp_path / "reports" / "index.html").is_file()
