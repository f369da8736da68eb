"What the notebook of `tuning` cannot hold: processes that begin a study at once, and what MLflow says of failures."

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secml_workbench.base import Settings, code_hash, connect, load_settings
from secml_workbench.data import load_corpus
from secml_workbench.models import TINY
from secml_workbench.tuning import (
    OptimizationConfig,
    TrialRecord,
    TuningResult,
    delete_study,
    full_space,
    load_study,
    tune,
)
from secml_workbench.tuning.tuning import _drop_weights


def test_the_weights_of_a_trial_that_runs_elsewhere_stay(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"trial-{number}").mkdir()
    ended = [TrialRecord(n, "complete", {}, value) for n, value in enumerate((0.5, 0.9, 0.7))]
    found = TuningResult("s", "roc_auc", "maximize", {}, 0.9, None, tuple(ended))
    _drop_weights(tmp_path, found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial-1", "trial-3"]


@pytest.mark.parametrize(
    ("module", "old", "new", "renames"),
    [
        ("result", '"seconds": "Seconds"', '"seconds": "Took"', False),  # a heading of the table
        ("result", 'f"misses {', 'f"breaks {', False),  # a cell of it
        ("result", 'f"best {result.metric}', 'f"the best {result.metric}', False),  # the line above it
        ("studies", "names[-5:]", "names[-9:]", False),  # what a message names; no trial reads it
        ("space", "if is_default and", "if not is_default and", True),  # what a trial tries
        ("guidance", "best < float(np.median", "best <= float(np.median", True),  # which trial stops
        ("result", "sign * t.measured[second]", "-sign * t.measured[second]", True),  # which trial is the best
        ("recipe", '"warmup_steps": 0.1', '"warmup_steps": 0.2', True),  # the warm start
    ],
)
def test_a_study_is_named_after_what_computes(tmp_path: Path, module: str, old: str, new: str, renames: bool) -> None:
    left_out = shutil.ignore_patterns("__pycache__", "assets", "templates")
    here = Path(__file__).parents[1] / "secml_workbench"
    package = Path(shutil.copytree(here, tmp_path / "secml_workbench", ignore=left_out))
    before, file = code_hash("tuning.tuning", package=package), package / "tuning" / f"{module}.py"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
    assert (code_hash("tuning.tuning", package=package) != before) is renames


TUNE = """
import sys
import time
from dataclasses import replace
from secml_workbench.data import load_corpus
from secml_workbench.base import load_settings
from secml_workbench.tuning import OptimizationConfig, full_space
from secml_workbench.models import TINY
from secml_workbench.tuning import tune

place, encoder = sys.argv[1:]
settings = load_settings(
    state_dir=place, mlflow_tracking_uri=f"sqlite:///{place}/m.db", optuna_storage=f"sqlite:///{place}/o.db"
)
space = full_space(
    learning_rate=(1e-4, 1e-3), batch_size=(8, 16), epochs=(1, 2), warmup_steps=(0, 8),
    weight_decay=(0.0, 0.1), max_length=(32,),
)
config, base = OptimizationConfig(n_trials=4), replace(TINY, epochs=1)
tune(encoder, load_corpus("tiny").split(), space, config, study_name="s", base=base, settings=settings)
"""


def isolated(place: Path) -> Settings:
    return load_settings(
        state_dir=str(place), mlflow_tracking_uri=f"sqlite:///{place}/m.db", optuna_storage=f"sqlite:///{place}/o.db"
    )


def runs(settings: Settings) -> tuple[list[Any], list[Any]]:
    "The parent runs of tuning in MLflow, and their children."
    client = connect(settings)
    found = client.search_runs([client.get_experiment_by_name("tuning").experiment_id])
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in children], children


def test_two_processes_that_begin_a_study_at_once_share_one_mlflow_run(tmp_path: Path, encoder: Path) -> None:
    command = [sys.executable, "-c", TUNE, str(tmp_path), str(encoder)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for worker in workers:
        said = worker.communicate(timeout=300)[1]
        assert worker.returncode == 0, said
    result = load_study("s", isolated(tmp_path))
    parents, children = runs(isolated(tmp_path))
    assert result.counts["complete"] + result.counts["pruned"] == 4
    assert [trial.number for trial in result.trials if trial.is_default] == [0]
    assert [run.info.run_id for run in parents] == [result.run_id]
    assert Counter(run.data.tags["mlflow.parentRunId"] for run in children) == {result.run_id: 4}


def here(settings: Settings, encoder: Path, layers: int = -1, **config: Any) -> TuningResult:
    "A study in this process."
    space = full_space(
        learning_rate=(1e-4, 1e-3), batch_size=(8, 16), epochs=(1, 2), warmup_steps=(0, 8),
        weight_decay=(0.0, 0.1), max_length=(32,),
    )  # fmt: skip
    splits = load_corpus("tiny").split()
    return tune(
        encoder, splits, space, OptimizationConfig(n_trials=2, **config), study_name="s",
        base=replace(TINY, epochs=1, trainable_layers=layers), settings=settings,
    )  # fmt: skip


def test_a_study_without_a_completed_trial_is_failed_in_mlflow(tmp_path: Path, encoder: Path) -> None:
    result = here(isolated(tmp_path), encoder, layers=9)
    parents, children = runs(isolated(tmp_path))
    assert result.counts == {"complete": 0, "pruned": 0, "failed": 2}
    assert [run.info.status for run in (*parents, *children)] == ["FAILED"] * 3
    assert "trainable_layers is 9" in parents[0].data.tags["error"]


def test_cross_validation_ends_with_models_too(tmp_path: Path, encoder: Path) -> None:
    settings = isolated(tmp_path)
    result = here(settings, encoder, cv_folds=2)
    assert result.best_model and result.default_model
    assert "model" in [file.path for file in connect(settings).list_artifacts(result.run_id)]
    written = (result.best_model / "model.safetensors").stat().st_mtime_ns
    again = here(settings, encoder, cv_folds=2)
    assert (again.best_model, again.trials) == (result.best_model, result.trials)
    assert (result.best_model / "model.safetensors").stat().st_mtime_ns == written
    delete_study("s", settings)
    assert not list((tmp_path / "tuning").iterdir())


def test_only_one_at_a_time_saves_the_best_model_of_a_study(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, at_work, seen = isolated(tmp_path), [0], []

    def saving(*_: Any) -> None:
        at_work[0] += 1
        seen.append(at_work[0])
        time.sleep(2)
        at_work[0] -= 1

    here(settings, encoder)
    monkeypatch.setattr("secml_workbench.tuning.tuning._log_best", saving)
    with ThreadPoolExecutor() as pool:
        list(pool.map(here, [settings, settings], [encoder, encoder]))
    assert seen == [1, 1]


def test_a_study_that_was_stopped_in_its_first_trial_is_killed_in_mlflow_until_it_goes_on(
    tmp_path: Path, encoder: Path
) -> None:
    settings = isolated(tmp_path)
    stopped = here(settings, encoder, timeout_seconds=0.01)
    (parent,), _ = runs(settings)
    assert stopped.best is None and stopped.stopped == "the time limit of 0.01 s is over"
    assert (parent.info.status, parent.data.tags["state"]) == ("KILLED", "killed")
    assert "time limit" in parent.data.tags["error"]
    here(settings, encoder)
    (parent,), _ = runs(settings)
    assert (parent.info.status, parent.data.tags["state"]) == ("FINISHED", "finished")
    assert "error" not in parent.data.tags
