"""Memory of `secml features`: does it grow with the number of texts?

    .venv/bin/python benchmarks/bench_streaming.py [--rows 100000]

All families on short texts from a CSV file, each number of texts in a process of its own. About a quarter of an hour
on two cores. Writes benchmarks/results/streaming.json.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from bench_memory import largest_memory
from common import publish, row

from secml_workbench.base import current_provenance, set_threads
from secml_workbench.data import load_corpus
from secml_workbench.features import FeatureConfig, make_features, write_features

SEED = 42


def stream(rows: int) -> None:
    "Write features of so many texts; prints MB before and at the most."
    set_threads()
    splits = load_corpus("packaged").split(seed=SEED)
    train = splits.train.sample(1000, seed=SEED)
    features = make_features(FeatureConfig(seed=SEED)).fit(train.texts, train.labels)
    short = [text for text in splits.train.texts if len(text) < 200]
    with tempfile.TemporaryDirectory() as folder:
        many = [f"{short[i % len(short)]} {i}" for i in range(rows)]
        pd.DataFrame({"text": many}).to_csv(Path(folder) / "many.csv", index=False)
        del many
        before = largest_memory()
        write_features(Path(folder) / "many.csv", Path(folder) / "out.parquet", features)
        print(before, largest_memory())


def memory(rows: int) -> dict:
    "Peak memory of many texts and of a tenth of them, each in a process of its own."

    def measure(n: int) -> float:
        command = [sys.executable, __file__, "--child", str(n)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return float(done.stdout.split()[-1])

    few, many = measure(rows // 10), measure(rows)
    case = f"peak memory, {rows:,} texts streamed (peer: {rows // 10:,})"
    return row(case, many, "MB", peer=few, ratio=many / few, target=1.5, met=many <= 1.5 * few)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return stream(given.child)
    started, corpus = time.monotonic(), load_corpus("packaged")
    origin = {"data_sha256": corpus.sha256, "seed": SEED}
    publish("streaming", [memory(given.rows)], current_provenance(started=started, **origin))


if __name__ == "__main__":
    main()
