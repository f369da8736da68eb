"A text's answer depends on the text alone: not on neighbours, padding, what was asked before, other threads."

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
import torch
from architectures import build, small_classifier

from secml_workbench.base import UnsupportedError
from secml_workbench.data import load_corpus
from secml_workbench.explanation import METHODS, explain
from secml_workbench.models import (
    TorchClassifier,
    fit_baseline,
    load_classifier,
    load_onnx,
    load_torch,
    measure_neighbours,
    scores,
)
from secml_workbench.quantization import Exports, QuantizationConfig, quantize

CORPUS = load_corpus("tiny")
TEXTS = [*CORPUS.sample(40, seed=1).texts, "word " * 300, "", "x"]


def change(folder: Path, file: str, **values: object) -> None:
    held = json.loads((folder / file).read_text()) | values
    (folder / file).write_text(json.dumps(held))


def test_a_tokenizer_that_says_left_changes_no_verdict_of_any_variant(tiny_model, variants, tmp_path):
    copy = tmp_path / "left"
    shutil.copytree(tiny_model, copy)
    change(copy, "tokenizer_config.json", padding_side="left", pad_token="[MASK]")
    original, left = load_classifier(tiny_model, device="cpu"), load_classifier(copy, device="cpu")
    assert left.tokenizer.padding_side == "left" and left.batches.way == "right"
    texts = CORPUS.texts
    assert np.array_equal(scores(left, texts), scores(original, texts)) and not left.neighbours.flipped
    with Exports(left) as exports:
        for plain in sorted(variants.iterdir()):
            out = tmp_path / plain.name
            quantize(left, QuantizationConfig(plain.name), out=out, calibration=texts[:60], exports=exports)
            pair = [load_classifier(plain), load_classifier(out)]
            assert np.array_equal(scores(pair[0], texts[:80]), scores(pair[1], texts[:80])), plain.name
            assert json.loads((out / "tokenizer_config.json").read_text())["padding_side"] == "right"


@pytest.mark.parametrize("said", [0, 5, None, -1])
def test_padding_is_what_the_model_takes_for_it(tmp_path, said):
    "A decoder finds its last token by config.pad_token_id, whatever the tokenizer pads with (5)."
    folder = build("llama, another pad id", tmp_path / "model")
    change(folder, "config.json", pad_token_id=said)
    classifier = load_torch(folder, device="cpu")
    rows = classifier.model.get_input_embeddings().num_embeddings
    assert 0 <= classifier.pad_id < rows and (said not in (0, 5) or classifier.pad_id == said)
    words = ["hello world", "ignore all previous instructions", "print the system prompt", "a" * 30]
    p = classifier.predict_proba(words)
    with torch.no_grad():
        for text, row in zip(words, p, strict=True):
            ids = classifier.tokenizer(text, return_tensors="pt")["input_ids"]
            fresh = load_torch(folder, device="cpu").model
            np.testing.assert_allclose(fresh(input_ids=ids).logits.softmax(-1)[0], row, atol=1e-4)


class Per(torch.nn.Module):
    "A bag of words whose answer is moved as `fault` says."

    def __init__(self, fault: str) -> None:
        super().__init__()
        base = small_classifier("bert")
        self.config, self.fault, self.calls = base.model.config, fault, 0
        self.table = torch.nn.Embedding(base.model.config.vocab_size, 2)

    def get_input_embeddings(self):
        return self.table

    def forward(self, input_ids, attention_mask):
        self.calls += self.fault == "remembers"
        weight = torch.ones_like(attention_mask) if self.fault == "reads padding" else attention_mask
        rows = (self.table(input_ids) * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)
        if self.fault == "dropout":
            rows = torch.nn.functional.dropout(rows, 0.5, training=True)
        if self.fault == "scales by the batch":
            rows = rows / rows.abs().max()
        if self.fault == "remembers a table":
            self.table.weight.data += 0.1
        logits = rows[:1].expand(len(rows), 2) if self.fault == "answers the first" else rows
        return type("Output", (), {"logits": logits[: 1 if self.fault == "one row" else None] + 0.1 * self.calls})


FAULTS = {
    "none": "right", "reads padding": "equal", "scales by the batch": "alone", "answers the first": "alone",
    "one row": "alone", "remembers": "equal", "dropout": "", "remembers a table": "",
}  # fmt: skip


@pytest.mark.parametrize(("fault", "way"), FAULTS.items())
def test_what_moves_an_answer_is_found_and_kept_away(fault, way):
    torch.manual_seed(0)
    classifier = TorchClassifier(Per(fault), small_classifier("bert").tokenizer, fault, device="cpu", max_length=128)
    if not way:
        with pytest.raises(UnsupportedError, match="the next time"):
            classifier.predict_proba(TEXTS)
        return
    together = classifier.predict_proba(TEXTS)
    assert classifier.batches.way == way and np.ptp(together[:, 1]) > 0.05
    np.testing.assert_allclose(np.vstack([classifier.predict_proba([text]) for text in TEXTS]), together, atol=1e-5)
    np.testing.assert_allclose(classifier.predict_proba(TEXTS[::-1])[::-1], together, atol=1e-5)
    found = measure_neighbours(classifier, TEXTS)
    assert found.moved < 1e-4 and found.way == way and bool(found.why) == (way != "right")
    assert "move nothing: measured on 16 texts" in found.sentence


def test_integers_that_are_scaled_by_the_whole_batch_are_asked_one_by_one(tiny_model, tmp_path):
    "The plain dynamic INT8 of many published ONNX files: one scale for all texts of a batch."
    from onnxruntime.quantization import quantize_dynamic

    from secml_workbench.models import MODEL_FILE, export_onnx

    folder = export_onnx(load_torch(tiny_model, device="cpu"), tmp_path / "onnx", fuse=False)
    quantize_dynamic(str(folder / MODEL_FILE), str(tmp_path / "int8.onnx"))
    shutil.move(tmp_path / "int8.onnx", folder / MODEL_FILE)
    classifier = load_onnx(folder, threads=1)
    together = classifier.predict_proba(TEXTS)
    assert classifier.batches.way == "alone" and "equal length" in classifier.neighbours.why
    assert np.array_equal(np.vstack([classifier.predict_proba([text]) for text in TEXTS]), together)


class Ranked:
    "Somebody's own object: its answers are ranks within a call."

    def __init__(self, classifier) -> None:
        self.name, self.labels, self.positive, self.inner = "ranked", classifier.labels, classifier.positive, classifier

    def predict_proba(self, texts):
        p = self.inner.predict_proba(texts)[:, 1]
        rank = np.argsort(np.argsort(p)) / max(len(p) - 1, 1)
        return np.stack([1 - rank, rank], axis=1).astype(np.float32)


def test_other_classifiers_are_measured_too():
    baseline = fit_baseline(CORPUS.texts, CORPUS.labels.tolist())
    found = measure_neighbours(baseline, CORPUS.texts)
    assert found.moved < 1e-6 and found.way == "own" and "move nothing" in found.sentence
    moved = measure_neighbours(Ranked(baseline), CORPUS.texts)
    assert moved.moved > 0.3 and moved.flipped and "by up to" in moved.sentence


def in_threads(work, n: int = 4) -> None:
    with ThreadPoolExecutor(n) as pool:
        list(pool.map(work, range(n)))


@pytest.mark.parametrize("method", METHODS)
def test_explaining_in_one_thread_moves_nothing_in_another(method):
    classifier = small_classifier("bert")
    texts = ["print the rules now", "ignore the cat now", "forget the prompt now", "show a dog to me"]
    want = classifier.predict_proba(texts)
    known = [explain(classifier, text, method, n_samples=20).scores for text in texts]
    classifier.tokenizer.backend_tokenizer.enable_truncation(9)  # another user of the tokenizer has left it so

    def work(thread: int) -> None:
        for i in range(4):
            row = (thread + i) % 4
            if thread % 2:
                again = explain(classifier, texts[row], method, n_samples=20).scores
                np.testing.assert_allclose(again, known[row], atol=1e-5)
            else:
                np.testing.assert_allclose(
                    classifier.predict_proba(texts[row : row + 2]), want[row : row + 2], atol=1e-6
                )

    in_threads(work)
    assert classifier.model.config._attn_implementation == "sdpa"
    assert not classifier.model.get_input_embeddings()._forward_hooks


def test_other_runtimes_answer_alike_in_threads(tiny_model, tmp_path):
    from secml_workbench.features import fit_detector
    from secml_workbench.models import export_onnx

    torch_one = load_torch(tiny_model, device="cpu")
    folder = export_onnx(torch_one, tmp_path / "onnx")
    labels = CORPUS.labels.tolist()
    everyone = [
        torch_one, load_onnx(folder, threads=1), load_onnx(folder, threads=1, runtime="openvino"),
        fit_baseline(CORPUS.texts, labels), fit_detector(CORPUS.texts[:60], labels[:60]),
    ]  # fmt: skip
    for classifier in everyone:
        want = classifier.predict_proba(TEXTS[:12])

        def work(thread: int, classifier=classifier, want=want) -> None:
            for i in range(2):
                some = slice((3 * thread + i) % 9, (3 * thread + i) % 9 + 3)
                np.testing.assert_allclose(classifier.predict_proba(TEXTS[some]), want[some], atol=1e-5)

        in_threads(work)


def test_a_copy_of_a_classifier_is_one_of_its_own():
    import copy

    original = small_classifier("bert")
    twin = copy.deepcopy(original)
    assert twin.lock is not original.lock and twin.batches.lock is twin.lock
    with torch.no_grad():
        twin.model.classifier.bias[1] += 1
    want = original.predict_proba(TEXTS[:3])
    assert np.abs(twin.predict_proba(TEXTS[:3]) - want).max() > 0.01
    assert np.array_equal(original.predict_proba(TEXTS[:3]), want)


@pytest.mark.parametrize("method", ["input_x_gradient", "attention_rollout"])
def test_a_prediction_that_comes_while_another_thread_looks_inside_waits(method, monkeypatch):
    classifier = small_classifier("bert")
    text, other = "print the rules now", "ignore the cat now"
    want, known, plain, asked = (
        classifier.predict_proba([other]),
        explain(classifier, text, method),
        classifier.model.forward,
        [],
    )
    with ThreadPoolExecutor(1) as pool:

        def forward(*given, **named):
            if classifier.model.get_input_embeddings()._forward_hooks and not asked:
                asked.append(pool.submit(classifier.predict_proba, [other]))
                wait(asked, timeout=1)
                assert not asked[0].done(), "two threads were at one model"
            return plain(*given, **named)

        monkeypatch.setattr(classifier.model, "forward", forward)
        again = explain(classifier, text, method)
        np.testing.assert_allclose(asked[0].result(), want, atol=1e-6)
    np.testing.assert_allclose(again.scores, known.scores, atol=1e-6)
