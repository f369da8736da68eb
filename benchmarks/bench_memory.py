"""Memory of explanations: does it grow with the number of texts or samples?

    .venv/bin/python benchmarks/bench_memory.py [--model models/minilm-detector-int8_dynamic]

LIME on texts of the packaged corpus, each setting in a process of its own (the largest resident memory of a process
never falls). A minute or two. Writes benchmarks/results/memory.json.
"""

import argparse
import subprocess
import sys
import time

from common import ROOT, publish, row

from secml_workbench.base import current_provenance, set_threads
from secml_workbench.data import load_corpus
from secml_workbench.explanation import explain_many
from secml_workbench.models import load_classifier

SEED = 42
BASE, MORE = (20, 200), {"8 times as many texts": (160, 200), "40 times as many samples": (20, 8000)}


def largest_memory() -> float:
    "Of this process so far, in MB (getrusage would count the parent's from before exec)."
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


def explain_some(model: str, texts: int, samples: int) -> None:
    "LIME on so many texts of 8 to 14 words; prints MB before and at the most."
    set_threads()
    test = load_corpus("packaged").split(seed=SEED).test.texts
    plain = [text for text in test if 8 <= len(text.split()) <= 14][:texts]
    classifier = load_classifier(model)
    explain_many(classifier, plain[:2], "lime", n_samples=50)
    before = largest_memory()
    explain_many(classifier, plain, "lime", n_samples=samples)
    print(before, largest_memory())


def measure(model: str, texts: int, samples: int) -> tuple[float, float]:
    "The same in a process of its own: MB before the explanations, and at the most."
    command = [sys.executable, __file__, "--model", model, "--child", str(texts), str(samples)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    before, most = map(float, done.stdout.split()[-2:])
    return before, most


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=str(ROOT / "models" / "minilm-detector-int8_dynamic"))
    parser.add_argument("--child", nargs=2, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return explain_some(given.model, *given.child)
    started, corpus = time.monotonic(), load_corpus("packaged")
    before, base = measure(given.model, *BASE)
    rows = [row("before any explanation", before, "MB"), row("LIME (INT8) of 20 texts, 200 samples", base, "MB")]
    for case, setting in MORE.items():
        most = measure(given.model, *setting)[1]
        met = most < 1.1 * base
        rows.append(row(f"{case} (peer: the row above)", most, "MB", peer=base, ratio=most / base, target=1.1, met=met))
    publish("memory", rows, current_provenance(data_sha256=corpus.sha256, seed=SEED, started=started))


if __name__ == "__main__":
    main()
