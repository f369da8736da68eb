"""The main job from nothing and again, what it found, and our `predict_proba` against transformers' pipeline.

    .venv/bin/python benchmarks/bench_main_job.py

It works in a temporary folder (about a quarter of an hour on two cores) and writes benchmarks/results/main_job.json.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import ROOT, publish, row

from secml_workbench.base import current_provenance, set_threads

SECML = Path(sys.executable).parent / "secml"
ROUNDS, TEXTS = 9, 320


def main_job(work: Path) -> tuple[float, dict]:
    "Train and report once; seconds and the reports by kind."
    env = {
        **os.environ,
        "SECML_MODELS_DIR": str(work / "models"),
        "SECML_REPORTS_DIR": str(work / "reports"),
        "SECML_STATE_DIR": str(work / "state"),
    }
    started = time.monotonic()
    train = [SECML, "train", "-p", "epochs=1", "-p", "learning_rate=1.5e-4"]  # as `make report` does
    subprocess.run(train, env=env, check=True, cwd=ROOT)
    model = str(work / "models" / "minilm-detector")
    command = [SECML, "report", "all", "--model", model, "--data", "packaged", "-p", f"out={work / 'models'}", "--json"]
    done = subprocess.run(command, env=env, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - started
    reports = {r["kind"]: json.loads(Path(r["json"]).read_text()) for r in json.loads(done.stdout)["reports"]}
    return seconds, reports


def against_pipeline(model: Path) -> dict:
    "Texts a second of our predict_proba and of transformers' pipeline at batch 32, interleaved in one process."
    from transformers import pipeline

    from secml_workbench.data import load_corpus, ratio_of_medians
    from secml_workbench.models import load_classifier

    texts = load_corpus("packaged").split().test.sample(TEXTS, seed=0).texts
    ours = load_classifier(model, device="cpu")
    theirs = pipeline("text-classification", model=str(model), batch_size=32, top_k=None, truncation=True, device="cpu")
    times = {"ours": [], "peer": []}
    for turn in range(ROUNDS + 1):
        for name, call in (("ours", ours.predict_proba), ("peer", theirs)):
            started = time.perf_counter()
            call(texts)
            if turn:  # the first turn warms up
                times[name].append(time.perf_counter() - started)
    ratios = np.array(times["peer"]) / np.array(times["ours"])
    speed = ratio_of_medians(ratios, np.ones(len(ratios)), n_boot=2000)
    rates = {name: TEXTS / float(np.median(values)) for name, values in times.items()}
    case = f"predict_proba on {TEXTS} test texts, against transformers.pipeline at batch 32"
    return row(
        case, rates["ours"], "texts/s", peer=rates["peer"], ratio=float(np.median(ratios)),
        low=speed.low, high=speed.high, target=1.0, met=speed.low is not None and speed.low >= 1.0,
    )  # fmt: skip


def findings(reports: dict) -> list[dict]:
    "What the issue asks of the packaged detector, from the reports' own records."
    test = reports["tuning"]["results"]["test"]
    ours, peer = test["model"]["roc_auc"], test["baseline"]["roc_auc"]
    rows = [
        row(
            "test ROC AUC of the packaged detector, against TF-IDF", ours["estimate"], "ROC AUC", peer=peer["estimate"],
            ratio=ours["estimate"] / peer["estimate"], low=ours["low"], high=ours["high"], target=0.97,
            met=ours["estimate"] >= 0.97,
        )
    ]  # fmt: skip
    for left in reports["tuning"]["results"]["leave_one_source_out"]:
        key = "roc_auc" if left["model"]["roc_auc"]["estimate"] is not None else "recall"
        one, other = left["model"][key], left["baseline"][key]
        unit = {"roc_auc": "ROC AUC", "recall": "recall at 1 % FPR on validation"}[key]
        ratio = one["estimate"] / other["estimate"] if other["estimate"] else None
        case = f"{left['source']} left out of a short training, against TF-IDF"
        rows.append(
            row(case, one["estimate"], unit, peer=other["estimate"], ratio=ratio, low=one["low"], high=one["high"])
        )
    results = reports["quantization"]["results"]
    (int8,) = (v for v in results["variants"] if v["name"] == "int8_dynamic")
    size, full = int8["size_bytes"] / 1e6, results["reference"]["size_bytes"] / 1e6
    case = "int8_dynamic file, against torch fp32"
    rows.append(row(case, size, "MB", peer=full, ratio=full / size, target=25, met=size <= 25))
    for batch, speed in int8["speedup_interval"].items():
        case, ratio = f"int8_dynamic speed at {batch}, against torch fp32", speed["estimate"]
        rows.append(row(case, ratio, "times", ratio=ratio, low=speed["low"], high=speed["high"]))
    return rows


def main() -> None:
    started = time.monotonic()
    set_threads()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        first, reports = main_job(work)
        again, _ = main_job(work)
        rows = [
            row("train and four reports, from nothing", first, "s", target=900, met=first <= 900),
            row("the same again, nothing changed", again, "s", target=60, met=again <= 60),
            *findings(reports),
            against_pipeline(work / "models" / "minilm-detector"),
        ]
    made = reports["tuning"]["provenance"]
    origin = current_provenance(data_sha256=made["data_sha256"], seed=made["seed"], started=started)
    publish("main_job", rows, origin)


if __name__ == "__main__":
    main()
