"""Explanations of the packaged detector against the usual way of making them, interleaved in one run.

    .venv/bin/python benchmarks/bench_explanation.py [--model models/minilm-detector]

The detector and its INT8 variants must be there (`make report`); the fastest of them is taken. Peers, on the same
torch model and threads: shap.Explainer over a transformers pipeline; lime's LimeTextExplainer over one padded batch a
call; captum's LayerIntegratedGradients, one text at a time. Some twenty minutes on two cores.
Writes benchmarks/results/explanation.json.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import shap
import torch
import transformers
from captum.attr import LayerIntegratedGradients
from common import ROOT, publish, row
from lime.lime_text import LimeTextExplainer

from secml_workbench.base import current_provenance, set_threads
from secml_workbench.data import load_corpus, ratio_of_medians
from secml_workbench.explanation import (
    ask,
    explain,
    explain_many,
    find_shortcuts,
    global_importance,
    make_engine,
    token_scores,
)
from secml_workbench.models import load_classifier

SEED = 42
CHEAPER = tuple(("shap", few) for few in (48, 64, 96, 128, 160, 192, 256))
warnings.simplefilter("ignore")


def cut(texts: Sequence[str], words: int, n: int) -> list[str]:
    "The first `words` words of texts that have as many; of the shortest such texts, n of them."
    long = sorted((text for text in texts if len(text.split()) >= words), key=lambda text: len(text.split()))
    return [" ".join(text.split()[:words]) for text in long[:n]]


def cut_short(detector, texts: Sequence[str], n: int) -> list[str]:
    "Texts of 12 words with at most 13 tokens, of which all subsets can be asked."
    some = cut(texts, 12, 200)
    few = [text for text in some if len(detector.tokenizer(text)["input_ids"]) <= 15]
    return [text for text in few if len(make_engine(detector, text).words) == 12][:n]


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
    speed = ratio_of_medians(found[:, 1], found[:, 0], n_boot=2000, seed=SEED)
    one, other = np.median(found, axis=0)
    return {"ours": one, "peer": other, "ratio": other / one, "low": speed.low, "high": speed.high}


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


def padded(detector, texts: Sequence[str]) -> np.ndarray:
    "Probabilities as transformers gives them: [MASK] in a text is a special token, unlike in `predict_proba`."
    with torch.inference_mode():
        batch = detector.tokenizer(list(texts), padding=True, truncation=True, max_length=512, return_tensors="pt")
        return detector.model(**batch).logits.softmax(-1).numpy()


def shapley(values: np.ndarray, units: int) -> np.ndarray:
    "Shapley values from the values of all subsets; bit i of a position says whether unit i is there."
    positions = np.arange(2**units)
    kept = (positions[:, None] >> np.arange(units)) & 1 == 1
    sizes, factorial = kept.sum(1), np.cumprod([1.0, *range(1, units + 1)])
    scores = np.zeros(units)
    for unit in range(units):
        without = positions[~kept[:, unit]]
        weights = factorial[sizes[without]] * factorial[units - sizes[without] - 1] / factorial[units]
        scores[unit] = weights @ (values[without | (1 << unit)] - values[without])
    return scores


def subsets(units: int) -> np.ndarray:
    return (np.arange(2**units)[:, None] >> np.arange(units)) & 1 == 1


def our_truth(classifier, text: str) -> np.ndarray:
    "Exact Shapley values of our game: words are cut out."
    engine = make_engine(classifier, text)
    return shapley(ask(engine, subsets(len(engine)), (1,)), len(engine))


def their_truth(classifier, pipe: Counted, text: str) -> np.ndarray:
    "Exact Shapley values of shap's game: tokens are masked; the special ones at both ends always stay."
    masker = pipe.explainer.masker
    units = masker.shape(text)[1] - 2
    kept = np.ones((2**units, units + 2), dtype=bool)
    kept[:, 1:-1] = subsets(units)
    masked = [str(np.ravel(masker(row, text)[0])[0]) for row in kept]
    known = list(dict.fromkeys(masked))
    p = np.concatenate([padded(classifier, known[at : at + 256])[:, 1] for at in range(0, len(known), 256)])
    found = dict(zip(known, p.astype(float).tolist(), strict=True))
    return shapley(np.array([found[one] for one in masked]), units)


def relative(estimate: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(estimate - truth).sum() / np.abs(truth).sum())


def errors(detector, pipe: Counted, texts: Sequence[str]) -> dict[str, np.ndarray]:
    "Of a text, by method: sum of |estimate - exact| as a share of the sum of |exact|, each in its own game."
    found: dict[str, list[float]] = {}
    for text in texts:
        before = pipe.texts
        theirs = pipe.explain(text).values[0][1:-1, 1]
        found.setdefault("evaluations", []).append(pipe.texts - before)
        found.setdefault("peer", []).append(relative(theirs, their_truth(detector, pipe, text)))
        truth = our_truth(detector, text)
        for method, few in CHEAPER:
            one = explain(detector, text, method, n_samples=few, seed=SEED)
            found.setdefault(f"{method} {few}", []).append(relative(one.scores, truth))
        equal = explain(detector, text, "shap", n_samples=found["evaluations"][-1], seed=SEED)
        found.setdefault("equal", []).append(relative(equal.scores, truth))
    return {name: np.array(each) for name, each in found.items()}


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=str(ROOT / "models" / "minilm-detector"))
    given = parser.parse_args()
    started = time.monotonic()
    set_threads()
    corpus = load_corpus("packaged")
    splits = corpus.split(seed=SEED)
    test, detector = splits.test, load_classifier(given.model)
    short, long = cut_short(detector, test.texts, 5), cut(test.texts, 200, 2)
    small = fastest(Path(given.model), short[0])
    rows = []

    pipe = Counted(detector)
    tuned = errors(detector, pipe, cut_short(detector, splits.validation.texts, 5))
    near = [each for each in CHEAPER if tuned["{} {}".format(*each)].mean() <= tuned["peer"].mean()]
    method, few = near[0] if near else CHEAPER[-1]  # the cheapest that is as near on validation texts
    tested = errors(detector, pipe, short)
    peer, equal = float(tested["peer"].mean()), round(tested["evaluations"].mean())
    for name, case in (
        (f"{method} {few}", f"{method}, {few} evaluations (chosen on validation texts)"),
        ("equal", "shap, as many evaluations as the peer"),
    ):
        mine = float(tested[name].mean())
        rows.append(row(
            f"SHAP, 12 words, {case}: error as a share of exact values, each in its own game (peer: shap.Explainer)",
            mine, "probability", peer=peer, ratio=peer / mine, target=1.0, met=mine <= peer,
        ))  # fmt: skip
    rows.append(row("evaluations that shap's explainer makes, 12 words", float(equal), "texts"))
    for who, classifier in (("torch fp32", detector), (small.name, small)):
        for how, n, target in ((method, few, 20), ("shap", equal, None)):
            found = race(
                lambda text, c=classifier, h=how, n=n: explain(c, text, h, n_samples=n, seed=SEED),
                pipe.explain,
                short,
                2,
            )
            rows.append(
                race_row(
                    f"SHAP, 12 words, {how} with {n} evaluations ({who}) against shap.Explainer(pipeline)",
                    target if who == "torch fp32" else None,
                    **found,
                )
            )
    for one in (detector, small):
        one.max_length = 512  # from here on: the peers read a long text in one piece, so do we
    before = pipe.texts
    pipe.explain(long[0])
    equal = pipe.texts - before
    found = race(lambda text: explain(detector, text, "shap", n_samples=equal, seed=SEED), pipe.explain, long, 1)
    rows.append(race_row(f"SHAP, 200 words, {equal} evaluations each (torch fp32)", 3, **found))

    stock = LimeTextExplainer(class_names=list(detector.labels), random_state=SEED)

    def by_lime(text: str) -> object:
        return stock.explain_instance(text, partial(padded, detector), num_samples=1000, num_features=200)

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

    for one in find_shortcuts(detector, test.texts, test.labels):
        found = one.share
        rows.append(
            row(f"shortcut, {one.name}: {one.finding}", found.estimate, "share", low=found.low, high=found.high)
        )
    publish("explanation", rows, current_provenance(data_sha256=corpus.sha256, seed=SEED, started=started))


if __name__ == "__main__":
    main()
