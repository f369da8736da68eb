"""Folders of models as people have them: loaded right, or refused in one line by what they are; their hashes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from architectures import CORPUS, TOKENIZERS, build
from safetensors.torch import load_file, save_file

from secml_workbench.base import InputError, UnsupportedError, load_settings, sha256_file
from secml_workbench.models import find_folder, load_classifier, load_torch, loaded_files, scores, weight_files
from secml_workbench.quantization import weights_size

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    "A BERT classifier, benign and injection."
    return build("bert", tmp_path_factory.mktemp("folders") / "sound")


@pytest.fixture(scope="module")
def answers(sound: Path) -> np.ndarray:
    return load_classifier(sound, device="cpu").predict_proba(CORPUS[:5])


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "model"))


def said(**values: Any) -> Change:
    "Change config.json; None takes a value away."

    def change(folder: Path) -> None:
        file = folder / "config.json"
        held = json.loads(file.read_text()) | values
        file.write_text(json.dumps({key: value for key, value in held.items() if value != "gone"}))

    return change


def written(name: str, content: Any = "x") -> Change:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))

    return change


def moved(name: str) -> Change:
    "The weights under another name."
    return lambda folder: (folder / "model.safetensors").rename(folder / name)


def without(*names: str) -> Change:
    return lambda folder: [(folder / name).unlink() for name in names]


def both(*changes: Change) -> Change:
    return lambda folder: [change(folder) for change in changes]


def tensors(change: Callable[[str, torch.Tensor], tuple[str, torch.Tensor]]) -> Change:
    "Each tensor under a new name, or with new numbers."

    def apply(folder: Path) -> None:
        file = folder / "model.safetensors"
        state = dict(change(name, tensor) for name, tensor in load_file(file).items())
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, file, metadata={"format": "pt"})

    return apply


def named(prefix: str) -> Change:
    return tensors(lambda name, tensor: (prefix + name, tensor))


def head(numbers: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return tensors(lambda name, tensor: (name, numbers(tensor) if name == "classifier.weight" else tensor))


def indexed(where: Any, variant: str = "") -> Change:
    "An index that says where the tensors are, instead of model.safetensors."

    def change(folder: Path) -> None:
        held = dict.fromkeys(load_file(folder / "model.safetensors"), where) if isinstance(where, str) else where
        if isinstance(where, str) and not where.startswith(("..", "/")):
            (folder / where).parent.mkdir(exist_ok=True)
            shutil.copy(folder / "model.safetensors", folder / where)
        (folder / "model.safetensors").rename(folder.parent / "weights.safetensors")
        (folder / f"model.safetensors.index{variant}.json").write_text(json.dumps({"metadata": {}, "weight_map": held}))

    return change


def linked(name: str) -> Change:
    "A file of the folder as a link to one outside."

    def change(folder: Path) -> None:
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return change


def gamma_beta(name: str, tensor: torch.Tensor) -> tuple[str, torch.Tensor]:
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"), tensor


LOADS = {
    "torch.compile": named("_orig_mod."),
    "data parallel": named("module."),
    "both wrappers": named("module._orig_mod."),
    "compiled inside": tensors(lambda name, tensor: (name.replace("bert.", "bert._orig_mod."), tensor)),
    "lightning": named("model."),
    "gamma and beta": tensors(gamma_beta),
    "a variant": moved("model.fp16.safetensors"),
    "a variant's index": indexed("model.fp16-00001-of-00001.safetensors", ".fp16"),
    "a shard in a folder": indexed("shards/w.safetensors"),
    "other formats beside": both(
        written("tf_model.h5"), written("pytorch_model.bin"), written("model.fp16.safetensors")
    ),
    "an index beside": written("model.safetensors.index.json", {"weight_map": [1]}),
    "flash attention": said(attn_implementation="flash_attention_2"),
    "flex attention": said(_attn_implementation="flex_attention"),
    "tuples": said(return_dict=False, output_attentions=True, output_hidden_states=True, torchscript=True),
    "code beside a known type": said(auto_map={"AutoModelForSequenceClassification": "modeling_x.X"}),
    "stored in half precision": said(dtype="float16"),
    "a stale architecture": said(architectures=["BertForMaskedLM"]),
    "no architecture": said(architectures="gone"),
    "names in label2id": said(id2label="gone", label2id={"benign": 0, "injection": 1}),
    "names in a list": said(id2label=["benign", "injection"], label2id={}),
    "numbers in label2id": said(label2id={"0": 0, "1": 1}),
}


@pytest.mark.parametrize("change", LOADS.values(), ids=LOADS)
def test_what_other_tools_leave_is_loaded_with_the_same_answers(copy, answers, change):
    change(copy)
    classifier = load_classifier(copy, device="cpu")
    assert classifier.labels == ("benign", "injection") and classifier.positive.label == "injection"
    np.testing.assert_allclose(classifier.predict_proba(CORPUS[:5]), answers, atol=1e-6)


def test_labels_stand_where_the_table_with_names_says(copy, answers):
    said(id2label={"0": "LABEL_0", "1": "LABEL_1"}, label2id={"injection": 0, "benign": 1})(copy)
    classifier = load_classifier(copy, device="cpu")
    assert classifier.labels == ("injection", "benign") and classifier.positive.indices == (0,)
    np.testing.assert_allclose(scores(classifier, CORPUS[:5]), answers[:, 0], atol=1e-6)


NO_WEIGHTS = without("model.safetensors")
PICKLE = "pickle.*run code"
REFUSED = {
    "tensorflow": (moved("tf_model.h5"), "TensorFlow"),
    "flax": (moved("flax_model.msgpack"), "Flax"),
    "gguf": (moved("model-Q4_K_M.gguf"), "GGUF"),
    "openvino": (moved("openvino_model.xml"), "OpenVINO"),
    "torch pickle": (moved("pytorch_model.bin"), PICKLE),
    "scikit-learn pickle": (both(NO_WEIGHTS, written("model.joblib")), f"{PICKLE}.*save_baseline"),
    "another name": (moved("weights.safetensors"), "weights.safetensors.*rename"),
    "two variants": (both(moved("model.a.safetensors"), written("model.b.safetensors")), "rename"),
    "only a training's leftovers": (
        both(NO_WEIGHTS, written("training_args.bin"), written("optimizer.pt")),
        "no weights",
    ),
    "models below": (both(NO_WEIGHTS, without("config.json"), written("checkpoint-5/config.json", {})), "checkpoint-5"),
    "shards without index": (moved("model-00001-of-00002.safetensors"), "no model.safetensors.index"),
    "a shard lacks": (indexed({"a": "model-00001-of-00002.safetensors"}), "lacks 'model-00001"),
    "above": (indexed("../weights.safetensors"), "out of the folder"),
    "a link": (linked("model.safetensors"), "out of the folder"),
    "a linked tokenizer": (linked("tokenizer.json"), "out of the folder"),
    "a pickle in the index": (indexed("model.bin"), "safetensors"),
    "setfit": (written("model_head.pkl"), "SetFit"),
    "skops of others": (written("model.skops"), "scikit-learn.*save_baseline"),
    "gliclass": (said(model_type="GLiClass", architectures=["GLiClassModel"]), "GLiClass.*never run"),
    "model2vec": (said(model_type="model2vec"), "model2vec"),
    "newer type": (said(model_type="modernbert-next"), "modernbert-next"),
    "no type": (said(model_type="gone"), "model_type"),
    "answers in words": (said(architectures=["LlamaForCausalLM"]), "answers in words"),
    "labels tokens": (said(architectures=["BertForTokenClassification"]), "tokens"),
    "reward": (said(architectures=["BertRewardModel"]), "reward"),
    "own code": (said(architectures=["MyGuard"]), "MyGuard.*never run"),
    "architectures no list": (said(architectures={"a": 1}), "architectures"),
    "bitsandbytes": (said(quantization_config={"quant_method": "bitsandbytes"}), "bitsandbytes"),
    "gptq": (said(quantization_config={"quant_method": "gptq", "bits": 4}), "gptq"),
    "labels contradict": (said(label2id={"injection": 0, "benign": 1}), "contradicts"),
    "labels and their number": (said(num_labels=3), "num_labels"),
    "labels no table": (said(id2label="benign"), "id2label"),
    "another head": (
        said(id2label={"0": "a", "1": "b", "2": "c"}, label2id={}),
        "classifier.* in the file and .* by its config",
    ),
    "another size": (said(hidden_size=32), "shape|config.json"),
    "no head": (
        tensors(lambda name, tensor: (name.replace("classifier", "cls"), tensor)),
        "without a classification head",
    ),
    "half a model": (tensors(lambda name, tensor: (name.replace("layer.1", "layer.7"), tensor)), "no whole model"),
    "not merged": (
        tensors(lambda name, tensor: (name.replace("query.weight", "query.base_layer.weight"), tensor)),
        "not merged",
    ),
    "NaN": (head(lambda weights: weights * float("nan")), "NaN"),
    "infinite": (head(lambda weights: weights / 0), "infinite"),
    "integers": (head(lambda weights: weights.to(torch.int64)), "integers"),
    "newer tokenizer": (written("tokenizer.json", {"version": "1.0", "model": {"type": "NewKind"}}), "newer version"),
    "deep config": (written("config.json", "[" * 100_000 + "]" * 100_000), "no JSON object"),
    "a tokenizer of more": (lambda folder: TOKENIZERS["byte_bpe"]().save_pretrained(folder), "ids up to"),
}
WRONG_MAPS = [
    [1],
    None,
    {"a": 1},
    {"a": None},
    "x",
    {"a": ["b"]},
    {},
    {"a": ""},
    {"a": "\0"},
    {"a": "/etc/passwd"},
    {"a": "../x"},
]


@pytest.mark.parametrize(("change", "match"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_loaded_is_named_in_one_line(copy, change, match):
    change(copy)
    with pytest.raises((InputError, UnsupportedError), match=match) as caught:
        load_classifier(copy, device="cpu")
    assert "\n" not in str(caught.value) and len(str(caught.value)) <= 420


@pytest.mark.parametrize("held", WRONG_MAPS, ids=repr)
def test_an_index_of_wrong_types_is_one_line(copy, held):
    without("model.safetensors")(copy)
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": held}))
    with pytest.raises(InputError) as caught:
        load_classifier(copy, device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "held", ["x", None, [1], "deep", {"files": []}, {"files": {"\0": "a"}}, {"files": {"../x": "a"}}], ids=repr
)
def test_a_manifest_of_wrong_types_is_one_line(copy, held):
    whole = {"files": {"model.safetensors": sha256_file(copy / "model.safetensors")}, "config": held}
    text = "[" * 100_000 + "]" * 100_000 if held == "deep" else json.dumps(held if isinstance(held, dict) else whole)
    (copy / "quantization.json").write_text(text)
    with pytest.raises(InputError) as caught:
        load_classifier(copy, device="cpu")
    assert "\n" not in str(caught.value) and "quantize again" in str(caught.value)


def test_the_hubs_cache_is_links_to_blobs_and_loads(sound, answers, tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    shutil.copytree(sound, blobs)
    snapshot.mkdir(parents=True)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(Path("..", "..", "blobs", file.name))
    np.testing.assert_array_equal(load_classifier(snapshot, device="cpu").predict_proba(CORPUS[:5]), answers)


def test_characters_need_no_vocabulary_file(tmp_path):
    import transformers as tf

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    names = {"id2label": {0: "benign", 1: "injection"}, "label2id": {"benign": 0, "injection": 1}}
    config = tf.CanineConfig(**sizes, num_hash_buckets=64, local_transformer_stride=8, **names)
    tf.CanineForSequenceClassification(config).save_pretrained(tmp_path)
    tf.CanineTokenizer().save_pretrained(tmp_path)
    assert np.isfinite(load_classifier(tmp_path, device="cpu").predict_proba(["hello", "", "é😀"])).all()


@pytest.mark.parametrize("row", [False, True])
def test_ids_without_a_row(copy, answers, row):
    "A control token that no text can reach may lack its row; a word of the vocabulary may not."
    file = copy / "tokenizer.json"
    held = json.loads(file.read_text())
    rows = load_file(copy / "model.safetensors")["bert.embeddings.word_embeddings.weight"].shape[0]
    if row:
        held["model"]["vocab"]["weather"] = rows + 500
    else:
        held["added_tokens"].append({**held["added_tokens"][0], "id": rows + 3, "content": "[EXTRA]"})
    file.write_text(json.dumps(held))
    if row:
        with pytest.raises(InputError, match=f"ids up to {rows + 500}"):
            load_classifier(copy, device="cpu")
    else:
        np.testing.assert_allclose(load_classifier(copy, device="cpu").predict_proba(CORPUS[:5]), answers, atol=1e-6)


def test_a_sentencepiece_file_alone(copy):
    "Works with the package, or names it."
    without("tokenizer.json", "tokenizer_config.json")(copy)
    (copy / "tokenizer_config.json").write_text('{"tokenizer_class": "DebertaV2Tokenizer"}')
    (copy / "spm.model").write_bytes(b"\n\x05\n\x01a\x15")
    with pytest.raises((InputError, UnsupportedError), match=r"sentencepiece|tokenizer") as caught:
        load_classifier(copy, device="cpu")
    assert ("secml_workbench[sentencepiece]" in str(caught.value)) == (find_spec("sentencepiece") is None)


def test_a_sound_sentencepiece_file_is_not_called_damaged(copy, monkeypatch):
    "Protobuf knows a format once in a process: whoever loaded it first may keep transformers from it."
    pieces = pytest.importorskip("sentencepiece")
    without("tokenizer.json", "tokenizer_config.json")(copy)
    with (copy / "spm.model").open("wb") as file:
        pieces.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=file, vocab_size=45, minloglevel=2
        )

    def fail(*_, **__):
        raise TypeError("Couldn't build proto file into descriptor pool: duplicate file name")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", fail)
    with pytest.raises(InputError, match=r"'spm.model'.*sound.*save the tokenizer again"):
        load_classifier(copy, device="cpu")


# -- what a report hashes ---------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["model.safetensors", "shards/w.safetensors", ".hidden.safetensors"])
def test_other_weights_are_another_fingerprint(copy, where):
    from secml_workbench.reports.freshness import _model_hash

    if where != "model.safetensors":
        indexed(where)(copy)
    before, p = _model_hash(copy), load_classifier(copy, device="cpu").predict_proba(CORPUS[:2])
    [file] = weight_files(copy)
    turned = {name: -tensor if "classifier" in name else tensor for name, tensor in load_file(file).items()}
    save_file(turned, file, metadata={"format": "pt"})
    assert np.abs(load_classifier(copy, device="cpu").predict_proba(CORPUS[:2]) - p).max() > 0.01
    assert _model_hash(copy) != before


def test_a_model_with_a_name_is_found_for_its_fingerprint(copy, tmp_path):
    settings = replace(load_settings(), root=tmp_path, models_dir=tmp_path)
    assert find_folder("model", settings) == find_folder(str(copy), settings) == copy
    assert find_folder("no-such", settings) is None and find_folder("some-organisation/some-model", settings) is None
    assert set(loaded_files(copy)) == {file.name for file in copy.iterdir()}


# -- PEFT adapters ----------------------------------------------------------------------------------

needs_peft = pytest.mark.skipif(find_spec("peft") is None, reason="the extra peft is not installed")


def low_rank(folder: Path, sound: Path, base: str, **values: Any) -> dict[str, torch.Tensor]:
    "Write a LoRA adapter that turns the head round; its tensors."
    weights, state = {}, load_file(sound / "model.safetensors")
    torch.manual_seed(0)
    for i in range(2):
        for part in ("query", "value"):
            key = f"base_model.model.bert.encoder.layer.{i}.attention.self.{part}"
            weights[f"{key}.lora_A.weight"], weights[f"{key}.lora_B.weight"] = torch.randn(4, 64), torch.randn(64, 4)
    weights |= {f"base_model.model.{name}": -state[name] for name in ("classifier.weight", "classifier.bias")}
    config = {
        "peft_type": "LORA", "task_type": "SEQ_CLS", "base_model_name_or_path": base, "r": 4, "lora_alpha": 8,
        "target_modules": ["query", "value"], "modules_to_save": ["classifier"], "inference_mode": True,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config | values))
    save_file(weights, folder / "adapter_model.safetensors")
    return weights


@pytest.fixture(params=["beside its base", "alone", "alone, by a relative name"])
def adapter(request, sound, copy, tmp_path) -> Path:
    folder = copy if request.param.startswith("beside") else tmp_path / "adapter"
    low_rank(folder, sound, "../model" if "relative" in request.param else str(copy))
    return folder


@needs_peft
def test_an_adapter_is_merged_into_its_base(adapter, sound, answers):
    "Against the sum computed here: W + B A · alpha / r, and the adapter's head."
    reference, added = load_torch(sound, device="cpu"), load_file(adapter / "adapter_model.safetensors")
    with torch.no_grad():
        for name, weights in reference.model.named_parameters():
            key = f"base_model.model.{name.removesuffix('.weight')}.lora_"
            if f"{key}A.weight" in added:
                weights += added[f"{key}B.weight"] @ added[f"{key}A.weight"] * 2
            elif name.startswith("classifier"):
                weights.copy_(added[f"base_model.model.{name}"])
    want, got = reference.predict_proba(CORPUS[:5]), load_classifier(adapter, device="cpu").predict_proba(CORPUS[:5])
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert np.abs(got - answers).max() > 0.05
    loaded = (sound / "model.safetensors", adapter / "adapter_model.safetensors")
    assert weights_size(adapter) == sum(file.stat().st_size for file in loaded)


@needs_peft
def test_an_adapter_brings_the_head_of_a_bare_encoder(sound, answers, tmp_path):
    "And its labels, where its folder names them; a head that neither of the two has would be random."
    from transformers import AutoModel

    folder = tmp_path / "adapter"
    AutoModel.from_pretrained(sound).save_pretrained(tmp_path / "encoder")
    held = low_rank(folder, sound, str(tmp_path / "encoder"))
    shutil.copytree(sound, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("model.safetensors"))
    flat = {name: 0 * tensor if "lora_B" in name else tensor for name, tensor in held.items()}
    save_file(flat, folder / "adapter_model.safetensors")
    classifier = load_classifier(folder, device="cpu")
    assert classifier.labels == ("benign", "injection")
    np.testing.assert_allclose(classifier.predict_proba(CORPUS[:5]), answers[:, ::-1], atol=1e-5)
    headless = {name: tensor for name, tensor in held.items() if "classifier" not in name}
    save_file(headless, folder / "adapter_model.safetensors")
    with pytest.raises(InputError, match="lacks"):
        load_classifier(folder, device="cpu")


ADAPTERS = {
    "base elsewhere": ({"base": "org/base"}, "not on this machine"),
    "no base": ({"base": None}, "not on this machine"),
    "for tokens": ({"task_type": "TOKEN_CLS"}, "TOKEN_CLS"),
    "for generation": ({"task_type": "CAUSAL_LM"}, "CAUSAL_LM"),
    "prompts": ({"peft_type": "PROMPT_TUNING"}, "PROMPT_TUNING"),
    "a type that is none": ({"peft_type": 3}, "cannot be merged"),
    "other modules": ({"target_modules": ["nothing_like_it"]}, "does not fit its base"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "match"), ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter_that_cannot_be_merged_is_one_line(sound, tmp_path, values, match):
    if "target_modules" in values and find_spec("peft") is None:
        pytest.skip("the extra peft is not installed")
    low_rank(tmp_path / "a", sound, **({"base": str(sound)} | values))
    with pytest.raises((InputError, UnsupportedError), match=match) as caught:
        load_classifier(tmp_path / "a", device="cpu")
    assert "\n" not in str(caught.value)


def test_without_peft_an_adapter_is_never_the_base_alone(adapter, monkeypatch):
    monkeypatch.setattr("secml_workbench.models.peft_adapters.importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UnsupportedError, match=r"secml_workbench\[peft\]"):
        load_classifier(adapter, device="cpu")


@needs_peft
def test_the_base_of_an_adapter_counts_for_the_fingerprint(sound, copy, tmp_path):
    from secml_workbench.reports.freshness import _model_hash

    low_rank(tmp_path / "adapter", sound, "../model")
    before = _model_hash(tmp_path / "adapter")
    head(lambda weights: weights + 1)(copy)
    assert _model_hash(tmp_path / "adapter") != before
