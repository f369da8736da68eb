"""Tuning: a study of forty trials, killed at twenty random moments and taken up each time, compared with MLflow.

    .venv/bin/python benchmarks/bench_kills.py [--kills 20]

It fine-tunes a two-layer encoder on the tiny corpus. Kills strike the start, which takes some seconds, and the trials.
"""

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from common import publish, row

from secml_workbench.base import connect, current_provenance, load_settings
from secml_workbench.models import tiny_detector
from secml_workbench.tuning import TuningResult, load_study, studies

TRIALS, LONGEST = 40, 24  # seconds from a start to its kill


WORKER = """
import sys
from dataclasses import replace
from secml_workbench.tuning import OptimizationConfig, full_space, tuning
from secml_workbench.data import load_corpus
from secml_workbench.base import load_settings
from secml_workbench.models import TINY

place, encoder, total = sys.argv[1:4]
settings = load_settings(
    state_dir=place, mlflow_tracking_uri=f"sqlite:///{place}/mlflow.db", optuna_storage=f"sqlite:///{place}/optuna.db"
)
kept = tuning._drop_weights
def say(folder, result):
    kept(folder, result)
    print("done", sum(result.counts.values()), flush=True)
tuning._drop_weights = say
space = full_space(
    learning_rate=(1e-4, 1e-3), batch_size=(8, 16), epochs=(1, 2), warmup_steps=(0, 8),
    weight_decay=(0.0, 0.1), max_length=(32,),
)
config = OptimizationConfig(n_trials=int(total), metric_name="roc_auc")
print("begun", flush=True)
base = replace(TINY, epochs=1)
tuning.tune(encoder, load_corpus("tiny").split(), space, config, study_name="killed", base=base, settings=settings)
"""


def killed(kills: int, place: Path) -> dict:
    "Kill a study again and again, let it finish, and compare what its two stores hold."
    tiny_detector(load_settings(state_dir=str(place)))
    command = [sys.executable, "-c", WORKER, str(place), str(place / "tiny-encoder"), str(TRIALS)]
    dice, seen, happened = random.Random(0), [], 0
    for _ in range(kills):
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        worker.stdout.readline()
        time.sleep(dice.uniform(0, LONGEST))
        happened += worker.poll() is None
        worker.kill()  # SIGKILL
        seen += [int(line.split()[1]) for line in worker.communicate()[0].splitlines() if line.startswith("done")]
        if Path(place / "optuna.db").exists():
            seen.append(sum(_stored(place).counts.values()))
            assert seen[-1] >= max(seen), f"a completed trial was lost: {seen}"
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {"kills": happened, "completed before the last start": max(seen), **_compared(place)}


def _settings(place: Path):
    return load_settings(
        state_dir=str(place), mlflow_tracking_uri=f"sqlite:///{place}/mlflow.db", optuna_storage=f"sqlite:///{place}/optuna.db"
    )


def _stored(place: Path) -> TuningResult:
    with contextlib.suppress(ValueError):
        return load_study("killed", _settings(place))
    return TuningResult("killed", "roc_auc", "maximize", {}, None, None, ())


def _compared(place: Path) -> dict:
    "What Optuna and MLflow say of every trial."
    result, client = _stored(place), connect(_settings(place))
    runs = client.search_runs([client.get_experiment_by_name("tuning").experiment_id], max_results=5000)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    said = {"finished": "complete", "pruned": "pruned", "failed": "failed"}
    theirs = Counter((run.info.run_name, said.get(run.data.tags["state"], "killed")) for run in children)
    dead = {t.number for t in result.trials if t.state in ("interrupted", "given up")}
    mine = Counter((f"trial {t.number}", "killed" if t.number in dead else t.state) for t in result.trials)
    lacking = {key for key in mine - theirs if key[1] != "killed"}  # one killed before its run began has none
    tried = [trial.number for trial in studies._kept_study("killed", _settings(place)).trials]
    return {
        "trials": result.counts["complete"] + result.counts["pruned"],
        "failed": result.counts["failed"],
        "interrupted": sum(trial.state == "interrupted" for trial in result.trials),
        "number twice": len(tried) - len(set(tried)),
        "stores disagree": len(lacking) + sum((theirs - mine).values()),
        "parent runs": len(runs) - len(children),
        "given up": sum(trial.state == "given up" for trial in result.trials),
        "parent running": sum(run.info.status == "RUNNING" for run in runs),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=20)
    given, started = options.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as held:
        found = killed(given.kills, Path(held))
    exact = found["trials"] == TRIALS and not found["failed"] and not found["number twice"]
    agree = not found["stores disagree"] and found["parent runs"] == 1 and not found["parent running"]
    case = f"complete and pruned trials of a study of {TRIALS}, killed {found['kills']} times"
    rows = [
        row(case, found["trials"], "trials", target=TRIALS, met=exact and agree),
        row("of them complete before the last start, none lost", found["completed before the last start"], "trials"),
    ]
    publish("kills", rows, current_provenance(seed=0, started=started), killed=found)


if __name__ == "__main__":
    main()
