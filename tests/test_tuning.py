"What the notebook of `tuning` cannot hold: processes that begin a study at once, and what MLflow says of failures."

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from secml_workbench.settings import load_settings
from secml_workbench.study import TrialRecord, TuningResult
from secml_workbench.tracking import connect
from secml_workbench.training import tiny_detector
from secml_workbench.tuning import _drop_weights, load_study


def test_the_weights_of_a_trial_that_runs_elsewhere_stay(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"trial-{number}").mkdir()
    ended = [TrialRecord(n, "complete", {}, value) for n, value in enumerate((0.5, 0.9, 0.7))]
    found = TuningResult("s", "roc_auc", "maximize", {}, 0.9, None, tuple(ended))
    _drop_weights(tmp_path, found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial-1", "trial-3"]


TUNE = """
import sys
from dataclasses import replace
from secml_workbench.corpus import load_corpus
from secml_workbench.settings import load_settings
from secml_workbench.study import HyperparameterSearchSpace, OptimizationConfig
from secml_workbench.training import TINY
from secml_workbench.tuning import tune

place, encoder, layers = sys.argv[1:]
settings = load_settings(
    state_dir=place, mlflow_tracking_uri=f"sqlite:///{place}/m.db", optuna_storage=f"sqlite:///{place}/o.db"
)
space = HyperparameterSearchSpace((1e-4, 1e-3), (8, 16), (1, 2), (0, 8), (0.0, 0.1), (32,))
base = replace(TINY, epochs=1, trainable_layers=int(layers))
config = OptimizationConfig(n_trials=4)
tune(encoder, load_corpus("tiny").split(), space, config, study_name="s", base=base, settings=settings)
"""


def tuned(place: Path, layers: int, processes: int) -> tuple[TuningResult, list[Any], list[Any]]:
    "A study that several processes begin at once; with its parent runs and their children in MLflow."
    tiny_detector(load_settings(state_dir=str(place)))
    command = [sys.executable, "-c", TUNE, str(place), str(place / "tiny-encoder"), str(layers)]
    alone = {**os.environ, "SECML_THREADS": "1", "OMP_NUM_THREADS": "1"}
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=alone) for _ in range(processes)]
    for worker in workers:
        said = worker.communicate(timeout=300)[1]
        assert worker.returncode == 0, said
    settings = load_settings(
        state_dir=str(place), mlflow_tracking_uri=f"sqlite:///{place}/m.db", optuna_storage=f"sqlite:///{place}/o.db"
    )
    client = connect(settings)
    runs = client.search_runs([client.get_experiment_by_name("tuning").experiment_id])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return load_study("s", settings), [run for run in runs if run not in children], children


def test_two_processes_that_begin_a_study_at_once_share_one_mlflow_run(tmp_path: Path) -> None:
    result, parents, children = tuned(tmp_path, -1, processes=2)
    assert result.counts["complete"] + result.counts["pruned"] == 4
    assert [trial.number for trial in result.trials if trial.is_default] == [0]
    assert [run.info.run_id for run in parents] == [result.run_id]
    assert Counter(run.data.tags["mlflow.parentRunId"] for run in children) == {result.run_id: 4}


def test_a_study_without_a_completed_trial_is_failed_in_mlflow(tmp_path: Path) -> None:
    result, parents, children = tuned(tmp_path, 9, processes=1)
    assert result.counts == {"complete": 0, "pruned": 0, "failed": 4}
    assert [run.info.status for run in (*parents, *children)] == ["FAILED"] * 5
    assert "trainable_layers is 9" in parents[0].data.tags["error"]
