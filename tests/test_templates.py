"""Each report as papermill runs it, in a kernel of its own: all its cells and assertions, on the tiny detector."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from secml_workbench.quantization import read_artifact
from secml_workbench.reports import KINDS

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_is_made(kind, report_of):
    folder = report_of(kind)
    record = json.loads((folder / "tiny" / f"{kind}.json").read_text(encoding="utf-8"))
    assert record["status"] == "ok" and record["verdict"] and record["results"]
    page = (folder / "tiny" / f"{kind}.html").read_text(encoding="utf-8")
    assert len(page) > 50_000
    measured = record["results"]["neighbours"]
    assert measured["moved"] < 1e-4 and measured["texts"] == 16 and measured["way"] == "right"
    assert "neighbours move nothing: measured on 16 texts" in page


def test_each_variant_that_this_machine_can_make_is_shipped(report_of):
    artifacts = report_of("quantization") / "artifacts"
    assert len(list(artifacts.glob("tiny-*"))) >= 5
    assert read_artifact(artifacts / "tiny-int8_dynamic").counts.linear["int8"] == 13


def test_papermill_alone_works_from_the_notebooks_folder(tmp_path):
    command = [sys.executable, "-m", "papermill", "53_features_report.ipynb", str(tmp_path / "out.ipynb")]
    options = ["-k", "python3", "-p", "semantic", "False", "-p", "linguistic", "False", "--no-progress-bar"]
    options += ["-p", "max_train_rows", "60"]
    folder = ROOT / "nbs" / "reports"
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Best family alone" in (tmp_path / "out.ipynb").read_text(encoding="utf-8")
