"""Explanations of the packaged detector against the usual way of making them, interleaved in one run.

    .venv/bin/python benchmarks/bench_explanation.py [--model models/minilm-detector]

The detector and its INT8 variants must be there (`make report`); the fastest of them is taken. Peers, on the same
torch model and threads: shap.Explainer over a transformers pipeline; lime's LimeTextExplainer over one padded batch a
call; captum's LayerIntegratedGradients, one text at a time. Some twenty minutes on two cores.
Writes benchmarks/results/explanation.json.
"""

import argparse
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import shap
import torch
import transformers
from captum.attr import LayerIntegratedGradients
from common import ROOT, publish, row
from lime.lime_text import LimeTextExplainer

from secml_workbench.attribution import token_scores
from secml_workbench.classifier import load_classifier
from secml_workbench.corpus import load_corpus
from secml_workbench.explainers import ask, explain, explain_many, make_engine
from secml_workbench.importance import global_importance
from secml_workbench.shortcuts import find_shortcuts
from secml_workbench.tracking import provenance, set_threads

SEED = 42
PARTITIONED = 12  # evaluations with which our partition is nearer to the exact values than the peer is
warnings.simplefilter("ignore")


def cut(texts: Sequence[str], words: int, n: int) -> list[str]:
    "The first `words` words of texts that have as many; of the shortest such texts, n of them."
    long = sorted((text for text in texts if len(text.split()) >= words), key=lambda text: len(text.split()))
    return [" ".join(text.split()[:words]) for text in long[:n]]


def race(ours: Callable[[str], object], theirs: Callable[[str], object], texts: Sequence[str], repeats: int) -> dict:
    "Seconds a text of both, in turns; the ratio of the medians with a bootstrap interval over the pairs."
    ours(texts[0]), theirs(texts[0])  # warm
    pairs = []
    for _ in range(repeats):
        for text in texts:
            started = time.perf_counter()
            ours(text)
            middle = time.perf_counter()
            theirs(text)
            pairs.append((middle - started, time.perf_counter() - middle))
    found = np.array(pairs)
    drawn = found[np.random.default_rng(SEED).integers(0, len(found), (2000, len(found)))]
    medians = np.median(drawn, axis=1)
    low, high = np.quantile(medians[:, 1] / medians[:, 0], (0.025, 0.975))
    one, other = np.median(found, axis=0)
    return {"ours": one, "peer": other, "ratio": other / one, "low": low, "high": high}


def race_row(case: str, target: float | None, **found) -> dict:
    met = None if target is None else bool(found["ratio"] >= target)
    return row(
        case,
        found["ours"],
        "s",
        peer=found["peer"],
        ratio=found["ratio"],
        low=found["low"],
        high=found["high"],
        target=target,
        met=met,
    )


class Counted:
    "A transformers pipeline that counts the texts it is asked about; shap takes it for the pipeline."

    def __init__(self, classifier) -> None:
        self.texts = 0
        pipe = transformers.pipeline(
            "text-classification", model=classifier.model, tokenizer=classifier.tokenizer, top_k=None, device="cpu"
        )
        plain = type(pipe).__call__

        def call(pipe, texts, *args, **more):
            self.texts += 1 if isinstance(texts, str) else len(texts)
            return plain(pipe, texts, *args, **more)

        type(pipe).__call__ = call
        self.explainer = shap.Explainer(pipe, seed=SEED)

    def explain(self, text: str):
        return self.explainer([text], silent=True)


def word_scores(explained, text: str, words: Sequence) -> np.ndarray:
    "shap's token scores of the attack class, summed by our words."
    tokens, values, at, found = explained.data[0], explained.values[0][:, 1], 0, np.zeros(len(words))
    for token, value in zip(tokens, values, strict=True):
        piece = str(token).strip()
        start = text.find(piece, at) if piece else -1
        if start < 0:
            continue
        at = start + len(piece)
        for i, word in enumerate(words):
            if word.start < at and start < word.end:
                found[i] += value * (min(at, word.end) - max(start, word.start)) / len(piece)
    return found


def exact(classifier, text: str) -> np.ndarray:
    "Shapley values by all subsets (at most 14 words)."
    engine = make_engine(classifier, text)
    n = len(engine)
    kept = (np.arange(2**n)[:, None] >> np.arange(n)) & 1 == 1
    values, sizes = ask(engine, kept, (1,)), kept.sum(1)
    factorial = np.cumprod([1.0, *range(1, n + 1)])
    scores = np.zeros(n)
    for unit in range(n):
        without = np.flatnonzero(~kept[:, unit])
        weights = factorial[sizes[without]] * factorial[n - sizes[without] - 1] / factorial[n]
        scores[unit] = weights @ (values[without | (1 << unit)] - values[without])
    return scores


def fastest(model: Path, text: str):
    "The INT8 variant beside the model that explains a text fastest; the quantization report left only such as pass."
    found = []
    for variant, runtime in (
        ("int8_dynamic", "onnxruntime"),
        ("int8_static", "onnxruntime"),
        ("int8_static", "openvino"),
    ):
        one = load_classifier(f"{model}-{variant}", runtime=runtime)
        explain(one, text, "lime", n_samples=500, seed=SEED)
        started = time.perf_counter()
        explain(one, text, "lime", n_samples=1000, seed=SEED)
        found.append((time.perf_counter() - started, f"{variant} on {runtime}", one))
    seconds, name, one = min(found, key=lambda each: each[0])
    print(f"fastest INT8 variant: {name}, {seconds:.2f} s")
    one.name = name
    return one


def explain_some(model: str, texts: int, samples: int) -> None:
    "LIME on so many texts of 8 to 14 words with so many samples; prints the process's largest resident memory in MB."
    set_threads()
    test = load_corpus("packaged").split(seed=SEED).test.texts
    plain = [text for text in test if 8 <= len(text.split()) <= 14][:texts]
    explain_many(load_classifier(model), plain, "lime", n_samples=samples)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def peak_memory(model: str, texts: int, samples: int) -> float:
    "The same in a process of its own: MB."
    command = [sys.executable, __file__, "--model", model, "--memory", str(texts), str(samples)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=str(ROOT / "models" / "minilm-detector"))
    parser.add_argument("--memory", nargs=2, type=int, metavar=("TEXTS", "SAMPLES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        return explain_some(given.model, *given.memory)
    started = time.monotonic()
    set_threads()
    corpus = load_corpus("packaged")
    test = corpus.split(seed=SEED).test
    short, long = cut(test.texts, 12, 5), cut(test.texts, 200, 2)
    detector, small = load_classifier(given.model), fastest(Path(given.model), short[0])
    rows = []

    pipe = Counted(detector)
    errors, spent = [], []
    for text in short:  # how near do both come to the exact values?
        before = pipe.texts
        theirs = pipe.explain(text)
        spent.append(pipe.texts - before)
        truth, words = exact(detector, text), make_engine(detector, text).words
        found = (
            explain(detector, text, "shap_partition", n_samples=PARTITIONED).scores,
            explain(detector, text, "shap", n_samples=round(np.mean(spent)), seed=SEED).scores,
            word_scores(theirs, text, words),
        )
        errors.append([np.abs(one - truth).mean() for one in found])
    partition_error, regression_error, their_error = np.mean(errors, axis=0)
    for case, error in (
        (f"partition, {PARTITIONED} evaluations", partition_error),
        ("regression, as many evaluations as the peer", regression_error),
    ):
        rows.append(
            row(
                f"SHAP, 12 words, {case}: mean error against exact values (peer: shap's partition over the pipeline)",
                error,
                "probability",
                peer=their_error,
                ratio=their_error / error,
                target=1.0,
                met=bool(error <= their_error),
            )
        )
    rows.append(row("evaluations that shap's explainer makes, 12 words", float(np.mean(spent)), "texts"))
    for case, classifier in (("torch fp32", detector), (small.name, small)):
        found = race(
            lambda text, c=classifier: explain(c, text, "shap_partition", n_samples=PARTITIONED), pipe.explain, short, 3
        )
        rows.append(
            race_row(
                f"SHAP partition, 12 words, no larger error ({case}) against shap.Explainer(pipeline)",
                20 if case == "torch fp32" else None,
                **found,
            )
        )
    for case, classifier in (("torch fp32", detector), (small.name, small)):
        found = race(
            lambda text, c=classifier: explain(c, text, "shap", n_samples=round(np.mean(spent)), seed=SEED),
            pipe.explain,
            short,
            2,
        )
        rows.append(race_row(f"SHAP, 12 words, equal evaluations ({case})", None, **found))
    for one in (detector, small):
        one.max_length = 512  # from here on: the peers read a long text in one piece, so do we
    before = pipe.texts
    pipe.explain(long[0])
    equal = pipe.texts - before
    found = race(lambda text: explain(detector, text, "shap", n_samples=equal, seed=SEED), pipe.explain, long, 1)
    rows.append(race_row(f"SHAP, 200 words, {equal} evaluations each (torch fp32)", 3, **found))

    stock = LimeTextExplainer(class_names=list(detector.labels), random_state=SEED)

    def padded(texts: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            batch = detector.tokenizer(list(texts), padding=True, truncation=True, max_length=512, return_tensors="pt")
            return detector.model(**batch).logits.softmax(-1).numpy()

    def by_lime(text: str) -> object:
        return stock.explain_instance(text, padded, num_samples=1000, num_features=200)

    for words, texts, repeats, targets in ((12, short, 3, (2.5, 8)), (200, long, 1, (2, 6))):
        for case, classifier, target in (("torch fp32", detector, targets[0]), ("INT8", small, targets[1])):
            found = race(
                lambda text, c=classifier: explain(c, text, "lime", n_samples=1000, seed=SEED), by_lime, texts, repeats
            )
            rows.append(
                race_row(f"LIME, {words} words, 1,000 samples ({case}) against LimeTextExplainer", target, **found)
            )

    some = test.sample(50, seed=SEED).texts
    layer = LayerIntegratedGradients(
        lambda ids, mask: detector.model(input_ids=ids, attention_mask=mask).logits.softmax(-1)[:, 1],
        detector.model.get_input_embeddings(),
    )

    def by_captum(steps: int) -> list[float]:
        deltas = []
        for text in some:
            batch = detector.tokenizer(text, truncation=True, return_tensors="pt")
            ids = batch["input_ids"]
            blank = torch.full_like(ids, detector.tokenizer.pad_token_id)
            blank[0, 0], blank[0, -1] = ids[0, 0], ids[0, -1]
            _, delta = layer.attribute(
                ids,
                blank,
                additional_forward_args=(batch["attention_mask"],),
                n_steps=steps,
                return_convergence_delta=True,
            )
            with torch.no_grad():
                moved = detector.predict_proba([text])[0, 1] - float(
                    detector.model(input_ids=blank, attention_mask=batch["attention_mask"]).logits.softmax(-1)[0, 1]
                )
            deltas.append(abs(delta.item()) / max(abs(moved), 1e-6))
        return deltas

    for steps, target in ((500, 3), (50, None)):
        ours_times, their_times = [], []
        for _ in range(1 if steps == 500 else 2):
            at = time.perf_counter()
            mine = token_scores(detector, some, (1,), "integrated_gradients")
            middle = time.perf_counter()
            theirs = by_captum(steps)
            ours_times.append(middle - at)
            their_times.append(time.perf_counter() - middle)
        one, other = np.median(ours_times), np.median(their_times)
        rows.append(
            row(
                f"integrated gradients of 50 texts, captum one at a time with {steps} steps",
                one,
                "s",
                peer=other,
                ratio=other / one,
                target=target,
                met=None if target is None else bool(other / one >= target),
            )
        )
        rows.append(
            row(
                f"share of them within 1 % of the difference (peer: {steps} steps)",
                float(np.mean([one.converged for one in mine])),
                "of 1",
                peer=float(np.mean(np.array(theirs) <= 0.01)),
            )
        )

    many = test.sample(200, seed=SEED)
    at = time.perf_counter()
    global_importance(explain_many(small, many.texts, "shap", n_samples=100), [str(label) for label in many.labels])
    seconds = time.perf_counter() - at
    rows.append(
        row(
            f"global importance, 200 test texts, SHAP ({small.name})",
            seconds,
            "s",
            target=120,
            met=bool(seconds <= 120),
        )
    )

    base = peak_memory(f"{given.model}-int8_dynamic", 20, 200)
    for case, texts, samples in (("160 texts", 160, 200), ("40 times as many samples", 20, 8000)):
        top = peak_memory(f"{given.model}-int8_dynamic", texts, samples)
        rows.append(
            row(
                f"largest memory of a process: LIME (INT8) of {case} (peer: 20 texts, 200 samples)",
                top,
                "MB",
                peer=base,
                ratio=top / base,
                target=1.1,
                met=bool(top < 1.1 * base),
            )
        )
    for one in find_shortcuts(detector, test.texts, test.labels):
        found = one.share
        rows.append(
            row(f"shortcut, {one.name}: {one.finding}", found.estimate, "share", low=found.low, high=found.high)
        )
    publish("explanation", rows, provenance(data_sha256=corpus.sha256, seed=SEED, started=started))


if __name__ == "__main__":
    main()
