"""What the classifier notebooks cannot hold: tokenizers and architectures from scratch, hostile texts and folders."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest
from architectures import CORPUS, DECODERS, ENCODERS, TOKENIZERS, build, config_of, wordpiece

from secml_workbench.base import InputError, UnsupportedError
from secml_workbench.models import (
    Window,
    encode_windows,
    find_positive,
    length_batches,
    predict_windows,
    scores,
    softmax,
    text_ids,
)

HOSTILE = [
    "",
    " ",
    "\n\t",
    "\x00",
    "a\x00b",
    "\ud800",
    "x\udfffy",
    "😀" * 30,
    "\u202eevil\u200b",
    "é" * 50,
    "a" * 5000,
    "[SEP][CLS][MASK][PAD][UNK]",
    "</s><s><mask><pad><unk>",
    "<|endoftext|>",
    "hello </s> world",
    "hello [SEP] world",
    "＜/s＞",
    "word " * 700,
    "ﷺ" * 20,
    "\ufdd0\uffff",
]
ROLES = ("bos", "eos", "sep", "cls", "pad", "mask")


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]()


def test_user_text_never_becomes_a_control_token(tokenizer):
    control = {getattr(tokenizer, f"{role}_token_id") for role in ROLES} - {None}
    for text in [t.encode("utf-8", "replace").decode() for t in HOSTILE]:
        ids = text_ids(tokenizer, [text])[0]
        assert control.isdisjoint(ids), (text, tokenizer.convert_ids_to_tokens(ids))


def test_a_spelled_out_control_token_still_leaves_a_trace(tokenizer):
    literal = tokenizer.eos_token or tokenizer.sep_token
    assert len(text_ids(tokenizer, [literal])[0]) >= 2
    with_it, without = text_ids(tokenizer, [f"hello {literal} world", "hello  world"])
    assert with_it != without


def test_plain_text_is_tokenized_as_the_tokenizer_does(tokenizer):
    for text in [*CORPUS[:2], "What's up? 123"]:
        stock = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert text_ids(tokenizer, [text])[0] == stock


@pytest.mark.parametrize("stride", [0, 1, 7, 100])
def test_windows_cover_each_token_once_and_carry_the_frame(tokenizer, stride):
    framed = tokenizer("hello world")["input_ids"]
    assert list(encode_windows(tokenizer, ["hello world"], 64)[0].input_ids) == framed
    extra = len(framed) - len(tokenizer("hello world", add_special_tokens=False)["input_ids"])
    before = 1 if extra else 0
    for text in ("hello " * 100, "a" * 300, ""):
        ids = text_ids(tokenizer, [text])[0]
        windows = encode_windows(tokenizer, [text], 20, stride)
        parts = [w.input_ids[before : len(w.input_ids) - extra + before] for w in windows]
        assert all(len(w) + extra <= 20 for w in parts)
        overlap = min(stride, (20 - extra) // 2)
        joined = list(parts[0]) + [i for part in parts[1:] for i in part[overlap:]]
        assert joined == ids or (not ids and len(joined) <= 1)


def test_batches_keep_the_budget_with_padding():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 512, size=500)
    batches = length_batches(lengths, 1024)
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert all(len(b) * lengths[b].max() <= 1024 for b in batches)


def test_equal_windows_are_computed_once_and_rows_come_back_in_order():
    seen = []

    def compute(rows):
        seen.extend(rows)
        return np.array(rows, dtype=np.float32)[:, :1].repeat(2, axis=1)

    texts = ["3", "1", "3", "2", "1"] * 10
    rows = predict_windows(
        texts, lambda ts: [Window(i, (int(t),)) for i, t in enumerate(ts)], compute, lambda r: r[:, 1], width=2
    )
    assert rows[:, 0].tolist() == [float(t) for t in texts] and len(seen) == 3


def test_a_nan_window_is_not_hidden_by_others():
    rows = predict_windows(
        ["t"],
        lambda ts: [Window(0, (1,)), Window(0, (2,)), Window(0, (3,))],
        lambda rows: np.where(np.array(rows) == 2, np.nan, rows).astype(np.float32),
        lambda r: r[:, 0],
        width=1,
    )
    assert np.isnan(rows).all()


def test_softmax_is_exact_at_the_extremes():
    p = softmax(np.array([[1000.0, -1000.0], [0.0, 0.0], [-3e38, 3e38]], dtype=np.float32))
    assert np.abs(p.sum(axis=1) - 1).max() < 1e-6 and np.isfinite(p).all()
    assert softmax(np.array([[0.0]])).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("labels", "attack"),
    [
        (("benign", "malicious"), (1,)),
        (("INJECTION", "SAFE"), (0,)),
        (("LABEL_0", "LABEL_1"), (1,)),
        (("0", "1"), (1,)),
        (("BENIGN", "INJECTION", "JAILBREAK"), (1, 2)),
        (("jailbreak", "benign"), (0,)),
        (("safe", "prompt_injection"), (1,)),
        (("not_injection", "injection"), (1,)),
        (("nothate", "hate"), (1,)),
        (("ham", "spam"), (1,)),
    ],
)
def test_positive_label_of_published_detectors(labels, attack):
    positive = find_positive(labels)
    assert positive.indices == attack and positive.reason and positive.label


@pytest.mark.parametrize(
    "labels",
    [
        ("A", "B"),
        ("LABEL_0", "LABEL_1", "LABEL_2"),
        ("benign", "attack", "smurf"),
        ("safe", "ok"),
        ("1", "2"),
        ("legit", "smurf"),
        ("smurf", "attack"),
        ("unsafe", "controversial"),
        ("malicious", "unlabeled"),
    ],
)
def test_unclear_labels_are_refused(labels):
    with pytest.raises(InputError, match=r"positive_label|benign"):
        find_positive(labels)


def test_labels_with_commas_travel_from_one_classifier_to_the_next(tmp_path):
    from secml_workbench.models import fit_baseline, load_classifier, save_baseline

    names = ("benign", "attack, direct", "attack, indirect")
    texts = [f"{word} the {what}" for word in ("please read", "ignore", "secretly send") for what in ("a", "b") * 2]
    given = fit_baseline(texts, [0] * 4 + [1] * 4 + [2] * 4, names=names, positive_label=["attack, indirect"])
    assert given.positive.labels == ("attack, indirect",) and given.positive.indices == (2,)
    folder = save_baseline(given, tmp_path / "baseline")
    loaded = load_classifier(folder, positive_label=given.positive)
    assert loaded.positive == given.positive
    assert load_classifier(folder, positive_label=names[1:]).positive.indices == (1, 2)
    assert load_classifier(folder, positive_label="Attack, direct").positive.indices == (1,)
    for wrong in ("direct, indirect", ["attack"], ["benign", *names[1:]]):
        with pytest.raises(InputError):
            load_classifier(folder, positive_label=wrong)


def test_files_from_before_the_rooms_are_refused_in_one_line(tmp_path):
    import skops.io
    from sklearn.pipeline import Pipeline

    from secml_workbench.features import load_features
    from secml_workbench.models import load_classifier, read_skops

    gone = type("BasicFeatures", (), {"__module__": "secml_workbench.text_features"})
    file = tmp_path / "model.skops"
    skops.io.dump(Pipeline([("basic", gone())]), file)
    (tmp_path / "baseline.json").write_text('{"labels": ["benign", "malicious"], "name": "old"}')
    (tmp_path / "features.skops").write_bytes(file.read_bytes())
    (tmp_path / "features.json").write_text("{}")
    for read in (lambda: read_skops(file), lambda: load_classifier(tmp_path), lambda: load_features(tmp_path)):
        with pytest.raises(InputError, match=r"before the rooms .*secml_workbench\.text_features\.Basic.*fit and save"):
            read()


BOTH = [*ENCODERS, *DECODERS]


@pytest.fixture(scope="module", params=BOTH)
def family(request, tmp_path_factory):
    from secml_workbench.models import load_torch

    folder = build(request.param, tmp_path_factory.mktemp("models") / request.param)
    return request.param, load_torch(folder, device="cpu")


def test_each_architecture_classifies_whatever_it_is_given(family):
    _, classifier = family
    p = classifier.predict_proba(HOSTILE)
    assert p.shape == (len(HOSTILE), 2) and p.dtype == np.float32
    assert np.isfinite(p).all() and np.abs(p.sum(axis=1) - 1).max() < 1e-6
    assert np.ptp(p[:, 1]) > 0.05, "the answers should vary, or this test shows nothing"
    alone = np.vstack([classifier.predict_proba([text]) for text in HOSTILE[:16]])
    np.testing.assert_allclose(alone, p[:16], atol=2e-5)
    assert classifier.max_length == 80
    assert classifier.window_counts(HOSTILE).max() > 1


def test_each_architecture_exports_with_parity(family, tmp_path):
    from secml_workbench.models import check_parity, export_onnx, load_onnx, read_export

    kind, classifier = family
    folder = export_onnx(classifier, tmp_path / "onnx")
    exported = load_onnx(folder, threads=1)
    assert check_parity(classifier, exported, [(1, 2), (2, 5), (5, 80), (7, 31)]).passed
    np.testing.assert_allclose(exported.predict_proba(HOSTILE), classifier.predict_proba(HOSTILE), atol=1e-4)
    if kind in ("bert", "distilbert", "electra", "roberta", "xlm-roberta"):
        assert read_export(folder)["fused"]["Attention"] == 2  # both layers: this is where the speed comes from


def test_a_model_with_one_output(tmp_path):
    from transformers import AutoModelForSequenceClassification

    from secml_workbench.models import load_torch

    tokenizer = wordpiece()
    config = config_of("bert", tokenizer, ("unsafe",), 80)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    classifier = load_torch(tmp_path, device="cpu")
    assert classifier.labels == ("not unsafe", "unsafe") and classifier.positive.indices == (1,)
    logits = classifier.logits(CORPUS[:3])[:, 0].astype(np.float64)
    np.testing.assert_allclose(scores(classifier, CORPUS[:3]), 1 / (1 + np.exp(-logits)), atol=1e-6)


HARMS = ("toxic", "severe_toxic", "obscene", "threat")


def saved_head(folder, labels, bias=None, **said):
    "A BERT with this head; what a configuration says of it is given."
    import torch
    from transformers import AutoModelForSequenceClassification

    tokenizer = wordpiece()
    config = config_of("bert", tokenizer, labels, 80)
    config.update(said)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    if bias is not None:
        model.classifier.weight.data.zero_()
        model.classifier.bias.data = torch.tensor(bias)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_labels_that_do_not_exclude_each_other_each_stand_by_themselves(tmp_path):
    "Each has its own sigmoid; the score of several is their maximum, in every runtime and explanation."
    from secml_workbench.explanation import explain
    from secml_workbench.models import export_onnx, load_classifier

    folder = saved_head(tmp_path / "several", HARMS, problem_type="multi_label_classification")
    classifier = load_classifier(folder, device="cpu", positive_label="toxic, threat")
    p, logits = classifier.predict_proba(CORPUS[:5]), classifier.logits(CORPUS[:5]).astype(np.float64)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-logits)), atol=1e-6)
    np.testing.assert_allclose(scores(classifier, CORPUS[:5]), p[:, [0, 3]].max(axis=1))
    assert "maximum" in classifier.positive.reason
    assert load_classifier(folder, device="cpu", positive_label=HARMS).positive.indices == (0, 1, 2, 3)
    exported = load_classifier(export_onnx(classifier, tmp_path / "onnx"), positive_label=classifier.positive)
    np.testing.assert_allclose(exported.predict_proba(CORPUS[:5]), p, atol=1e-5)
    for method in ("input_x_gradient", "occlusion"):
        explanation = explain(classifier, CORPUS[1], method, n_samples=20)
        assert abs(explanation.prediction - p[1, [0, 3]].max()) < 1e-6


@pytest.mark.parametrize(
    ("labels", "said", "match"),
    [
        (HARMS, {}, "exclude each other.*problem_type"),
        (("toxic", "hate"), {}, "exclude each other"),
        (("LABEL_0",), {}, "one output.*id2label"),
        (("toxicity",), {}, "one output"),
        (("injection",), {"problem_type": "regression"}, "regression"),
        (("benign", "injection"), {"problem_type": "regression"}, "regression"),
        (("LABEL_0",), {"problem_type": "multi_label_classification"}, "one output.*positive_label"),
    ],
)
def test_a_head_that_does_not_say_what_it_means_is_refused(tmp_path, labels, said, match):
    from secml_workbench.models import load_classifier

    folder = saved_head(tmp_path / "model", labels, **said)
    with pytest.raises(InputError, match=match) as caught:
        load_classifier(folder, device="cpu")
    assert "\n" not in str(caught.value) and len(str(caught.value)) <= 320


def test_a_single_output_that_is_said_to_be_a_logit(tmp_path):
    from secml_workbench.models import load_classifier

    said = {"problem_type": "multi_label_classification"}
    folder = saved_head(tmp_path / "model", ("LABEL_0",), bias=[0.9], **said)
    high, low = (load_classifier(folder, device="cpu", positive_label=label) for label in ("LABEL_0", "not LABEL_0"))
    np.testing.assert_allclose(scores(high, ["text"]), 1 / (1 + np.exp(-0.9)), atol=1e-6)
    np.testing.assert_allclose(scores(low, ["text"]), 1 / (1 + np.exp(0.9)), atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "nope"},
        {"model_type": "clip"},
        {"model_type": "bert", "hidden_size": "many"},
        {"model_type": "bert", "hidden_size": 48},
        {"model_type": "bert", "vocab_size": 3},
        {"model_type": ["bert"]},
        {"model_type": "bert", "id2label": {"0": "x"}, "problem_type": "regression"},
        {"auto_map": {"AutoConfig": "evil.Evil"}},
    ],
)
def test_hostile_configurations_are_one_line(tmp_path, config):
    from secml_workbench.models import load_classifier

    folder = build("bert", tmp_path / "</script><b>")
    if config.get("model_type") == "bert":
        config = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('code of the model was run')")
    with pytest.raises((InputError, UnsupportedError)) as caught:
        load_classifier(folder, device="cpu")
    assert "\n" not in str(caught.value) and len(str(caught.value)) <= 320, str(caught.value)


def test_a_folder_never_reaches_for_the_network(tmp_path, monkeypatch):
    from secml_workbench.models import load_classifier

    def refuse(*_args, **_more):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    load_classifier(build("bert", tmp_path / "model"), device="cpu").predict_proba(["hello"])
    for missing in (tmp_path / "no-such", "no-such-model", "models/no-such", "./no/such", "C:\\no\\such"):
        with pytest.raises(InputError):
            load_classifier(missing)
