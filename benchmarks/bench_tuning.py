"""Tuning: time to the peer's best value, and what a study costs beyond training.

    .venv/bin/python benchmarks/bench_tuning.py [--repeats 3]

The peer is `Trainer.hyperparameter_search` with its Optuna backend: same encoder, texts, hold-out, search space, number
of trials and seed, in turns on one machine. Ours is timed from the call to the end of the first trial, as the store has
it, that reaches the peer's best validation F1.
"""

import argparse
import contextlib
import tempfile
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from common import publish, row

from secml_workbench.base import connect, current_provenance, load_settings, set_threads
from secml_workbench.data import load_corpus
from secml_workbench.models import default_encoder, fine_tuning
from secml_workbench.tuning import OptimizationConfig, open_storage, small_space, studies, tuning

TRAIN, VALIDATION, TRIALS = 800, 400, 6
SPACE = small_space()


def parts(seed):
    "The same training and validation texts for both."
    whole = load_corpus("packaged").split(seed=seed)
    return replace(whole, train=whole.train.sample(TRAIN, seed), validation=whole.validation.sample(VALIDATION, seed))


def peer(splits, seed: int, folder: Path) -> tuple[float, float]:
    "Trainer.hyperparameter_search: its best validation F1, and the seconds until the trial that had it was over."
    import optuna
    from sklearn.metrics import f1_score
    from transformers import AutoModelForSequenceClassification as Model
    from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments

    tokenizer = AutoTokenizer.from_pretrained(default_encoder())

    def dataset(corpus):
        ids = tokenizer(list(corpus.texts), truncation=True, max_length=SPACE["max_length"].values[0])["input_ids"]
        return [{"input_ids": one, "labels": int(label)} for one, label in zip(ids, corpus.labels, strict=True)]

    def space(trial):
        return {
            "learning_rate": trial.suggest_float("learning_rate", *SPACE["learning_rate"].values, log=True),
            "per_device_train_batch_size": trial.suggest_categorical("batch_size", list(SPACE["batch_size"].values)),
            "num_train_epochs": trial.suggest_int("epochs", *SPACE["epochs"].values),
            "warmup_steps": trial.suggest_int("warmup_steps", *SPACE["warmup_steps"].values),
            "weight_decay": trial.suggest_float("weight_decay", *SPACE["weight_decay"].values),
        }

    arguments = TrainingArguments(
        output_dir=str(folder), eval_strategy="epoch", save_strategy="no", report_to="none", use_cpu=True, seed=seed,
        per_device_eval_batch_size=32, disable_tqdm=True, log_level="error", logging_strategy="no",
    )  # fmt: skip
    begun = time.monotonic()
    trainer = Trainer(
        args=arguments, train_dataset=dataset(splits.train), eval_dataset=dataset(splits.validation),
        processing_class=tokenizer, data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda found: {"f1": f1_score(found.label_ids, found.predictions.argmax(-1))},
        model_init=lambda: Model.from_pretrained(default_encoder(), num_labels=2),
    )  # fmt: skip
    values: list[tuple[float, float]] = []

    def value(metrics):
        values.append((metrics["eval_f1"], time.monotonic() - begun))  # after each epoch; the objective is the last
        return metrics["eval_f1"]

    trainer.hyperparameter_search(
        hp_space=space, compute_objective=value, n_trials=TRIALS, direction="maximize", backend="optuna",
        sampler=optuna.samplers.TPESampler(seed=seed), pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )  # fmt: skip
    best = max(one for one, _ in values)
    return best, next(seconds for one, seconds in values if one == best)


class Clock:
    "Seconds spent in `train`, less those for checkpoints and for saving."

    def __init__(self):
        self.training = self.saving = 0.0

    @contextlib.contextmanager
    def watching(self):
        from transformers import Trainer

        kept = (tuning.train, fine_tuning.save_detector, Trainer._save_checkpoint)

        def timed(name, call):
            def run(*given, **named):
                begun = time.monotonic()
                try:
                    return call(*given, **named)
                finally:
                    setattr(self, name, getattr(self, name) + time.monotonic() - begun)

            return run

        tuning.train, fine_tuning.save_detector = timed("training", kept[0]), timed("saving", kept[1])
        Trainer._save_checkpoint = timed("saving", kept[2])
        try:
            yield
        finally:
            tuning.train, fine_tuning.save_detector, Trainer._save_checkpoint = kept


def ours(splits, seed: int, folder: Path, wanted: float) -> tuple[float, float | None, float]:
    "Our best validation F1, seconds until a trial had the peer's best, and the share of the time that was no training."
    settings = load_settings(
        state_dir=str(folder), mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db", optuna_storage=f"sqlite:///{folder}/o.db"
    )
    config = OptimizationConfig(n_trials=TRIALS, metric_name="f1", seed=seed)
    connect(settings)  # both stores are there, as in a workbench that is in use
    open_storage(settings.optuna_storage)
    clock, begun, at = Clock(), time.monotonic(), datetime.now()
    with clock.watching():
        result = tuning.tune(default_encoder(), splits, SPACE, config, study_name="ours", settings=settings)
    seconds = time.monotonic() - begun
    kept = studies._kept_study("ours", settings)
    reached = [
        (trial.datetime_complete - at).total_seconds()
        for trial in kept.trials
        if trial.state.name == "COMPLETE" and trial.values[0] >= wanted - 1e-12
    ]
    share = 1 - (clock.training - clock.saving) / seconds
    return result.best_value, min(reached, default=None), share


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    started = time.monotonic()
    set_threads(load_settings())
    rows, ratios, shares = [], [], []
    for seed in range(given.repeats):
        with tempfile.TemporaryDirectory() as held:
            splits = parts(seed)
            wanted, theirs = peer(splits, seed, Path(held) / "peer")
            best, mine, share = ours(splits, seed, Path(held) / "ours", wanted)
        ratios.append(np.inf if mine is None else mine / theirs)
        shares.append(share)
        case = f"seed {seed}: seconds until the peer's best validation F1 ({wanted:.4f}; ours in the end {best:.4f})"
        ratio = None if mine is None else theirs / mine
        rows.append(row(case, np.inf if mine is None else mine, "s", peer=theirs, ratio=ratio))
    middle, case = float(np.median(ratios)), "our time to the peer's best, as a share of its time (median)"
    rows.append(row(case, middle, "", target=0.5, met=middle <= 0.5))
    most = max(shares)
    rows.append(row("time of a study that is no training: at most", most, "", target=0.05, met=most <= 0.05))
    publish("tuning", rows, current_provenance(seed=0, started=started))


if __name__ == "__main__":
    main()
