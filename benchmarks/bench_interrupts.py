"""JupyterLab: long calls in a real kernel are interrupted at random moments; how long until the kernel is free again.

    .venv/bin/python benchmarks/bench_interrupts.py [--tries 6] [--model models/minilm-detector]

What was done stays: training and studies go on where they were, the others change nothing before they are done.
About eight minutes on two cores. Writes benchmarks/results/interrupts.json.
"""

import argparse
import random
import tempfile
import time

from common import ROOT, publish, row
from jupyter_client.manager import start_new_kernel

from secml_workbench.base import current_provenance, load_settings
from secml_workbench.data import load_corpus
from secml_workbench.models import tiny_detector

TARGET, LONGEST = 2.0, 8.0  # seconds

BEGIN = """
from pathlib import Path
from secml_workbench.models import load_classifier
from secml_workbench.quantization import QuantizationConfig
from secml_workbench.data import load_corpus
from secml_workbench.explanation import explain, explain_many
from secml_workbench.explanation import compare_methods
from secml_workbench.features import make_features
from secml_workbench.quantization import quantize
from secml_workbench.reports import run_report
from secml_workbench.features import transfer
from secml_workbench.base import load_settings
from secml_workbench.features import write_features
from secml_workbench.models import default_encoder
from secml_workbench.models import train_detector
from secml_workbench.tuning import tune

place, model = Path({place!r}), {model!r}
settings = load_settings(state_dir=str(place / "state"), reports_dir=str(place / "reports"))
corpus, classifier = load_corpus("packaged"), load_classifier(model)
splits = corpus.split()
texts, STATIC = splits.test.texts, QuantizationConfig("int8_static", calibration_samples=4000)
"""

CALLS = {
    "train_detector": 'train_detector(place / "model", settings=settings, tracked=False)',
    "tune": "tune(default_encoder(), splits, settings=settings)",
    "quantize, int8_static": 'quantize(classifier, STATIC, out=place / "int8", calibration=splits.train)',
    "explain, shap, a long text": 'explain(classifier, " ".join(texts[:60]), "shap", n_samples=20_000)',
    "explain_many, lime": 'explain_many(classifier, texts[:200], "lime")',
    "compare_methods": 'compare_methods(classifier, texts[:50], ["shap", "lime", "gradient"])',
    "predict_proba, the whole corpus": "classifier.predict_proba(corpus.texts)",
    "make_features().fit_transform": "make_features().fit_transform(splits.train.texts, splits.train.labels)",
    "transfer": "transfer(splits.train)",
    "run_report": 'run_report("explanation", model, settings=settings)',
}


def freed(client, manager, call: str, wait: float) -> tuple[float, str]:
    "Seconds from an interrupt to the answer, and what the answer says."
    asked = client.execute(call, stop_on_error=False)
    time.sleep(wait)
    started = time.perf_counter()
    manager.interrupt_kernel()
    while True:
        reply = client.get_shell_msg(timeout=120)
        if reply["parent_header"].get("msg_id") == asked:
            return time.perf_counter() - started, reply["content"].get("ename") or reply["content"]["status"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tries", type=int, default=6)
    parser.add_argument("--model", default=str(ROOT / "models" / "minilm-detector"))
    given = parser.parse_args()
    started, dice, rows = time.monotonic(), random.Random(0), []
    with tempfile.TemporaryDirectory() as place:
        tiny_detector(load_settings(state_dir=f"{place}/state"))
        manager, client = start_new_kernel(cwd=place)
        begin = BEGIN.format(place=place, model=given.model)
        client.execute_interactive(begin, timeout=120, output_hook=lambda _: None)
        for name, call in CALLS.items():
            found = [freed(client, manager, call, dice.uniform(1, LONGEST)) for _ in range(given.tries)]
            odd = {said for _, said in found} - {"KeyboardInterrupt"}
            worst = max(seconds for seconds, _ in found)
            case, met = f"{name}: interrupt to a free kernel, the longest of {given.tries}", worst <= TARGET and not odd
            rows.append(row(case, worst, "s", target=TARGET, met=met))
            print(name, [f"{seconds:.2f}" for seconds, _ in found], odd or "", flush=True)
        manager.shutdown_kernel()
    publish("interrupts", rows, current_provenance(data_sha256=load_corpus("packaged").sha256, seed=0, started=started))


if __name__ == "__main__":
    main()
