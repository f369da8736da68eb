"Every family that people fine-tune: the table of the documents holds; encoders quantized (random weights)."

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from architectures import (
    CHECKS,
    COLUMNS,
    DECODERS,
    ENCODERS,
    FAMILIES,
    VARIANTS,
    small_classifier,
    what_holds,
    wordpiece,
)  # fmt: skip

from secml_workbench.data import load_corpus
from secml_workbench.models import TorchClassifier, load_classifier, scores
from secml_workbench.quantization import Exports, QuantizationConfig, quantize

TEXTS = load_corpus("tiny").sample(60, seed=0).texts


@pytest.mark.parametrize("family", [*ENCODERS, *DECODERS])
def test_every_family_is_quantized(family, tmp_path):
    "Plain exports agree: test_classifiers holds it for hostile texts."
    original = small_classifier(family)
    p = scores(original, TEXTS)
    assert np.ptp(p) > 0.2, "the texts must differ, or agreement means nothing"
    row = rows_of(TABLE)[family]
    with Exports(original) as exports:
        for variant in ("int8_dynamic", "int8_static", "fp16", "int4"):
            config, out = QuantizationConfig(variant), tmp_path / variant
            made = quantize(original, config, out=out, calibration=TEXTS, exports=exports)
            q = scores(load_classifier(made.path), TEXTS)
            assert np.corrcoef(p, q)[0, 1] > VARIANTS[variant], (variant, np.corrcoef(p, q)[0, 1], np.abs(p - q).max())
            assert row["export"] == row[variant] == "yes"
            assert made.counts.reduced >= sum(made.counts.linear.values()) - 2, made.counts
    assert np.array_equal(p, scores(original, TEXTS))


@pytest.fixture(scope="module")
def shared():
    "An ALBERT: two layers that read the same weights."
    import torch
    from transformers import AlbertConfig, AutoModelForSequenceClassification

    tokenizer = wordpiece()
    config = AlbertConfig(
        vocab_size=len(tokenizer), embedding_size=32, hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=128, max_position_embeddings=80, initializer_range=0.2, pad_token_id=0,
        id2label={0: "benign", 1: "injection"}, label2id={"benign": 0, "injection": 1},
    )  # fmt: skip
    torch.manual_seed(0)
    return TorchClassifier(AutoModelForSequenceClassification.from_config(config), tokenizer, "albert", device="cpu")


@pytest.mark.parametrize("variant", ["int8_dynamic", "int8_static", "int4"])
def test_weights_that_layers_share_are_quantized_in_all_of_them(shared, tmp_path, variant):
    "And counted, and left out, in all of them."
    import onnx

    from secml_workbench.quantization.graphs import readings_of

    layer = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn"
    sizes = {}
    with Exports(shared) as exports:
        for exclude in ((), (layer,)):
            config, out = QuantizationConfig(variant, exclude=exclude), tmp_path / str(len(exclude))
            made = quantize(shared, config, out=out, calibration=TEXTS, exports=exports)
            readings = readings_of(onnx.load(str(made.path / "onnx" / "model.onnx")))
            float_ones = [tensor.name for _, tensor, table in readings if tensor.data_type == 1 and not table]
            # the head, and the layer in each of its three places
            assert len(float_ones) == 1 + 3 * len(exclude), float_ones
            assert made.counts.linear["float32"] == 1 + len(exclude) and sum(made.counts.linear.values()) == 9
            sizes[exclude] = sum(made.counts.bytes.values())
        assert len(exports.layers[layer]) == 3
        plain = onnx.load(str(exports.folder() / "onnx" / "model.onnx"))
    whole = sum(4 * int(np.prod(tensor.dims)) for tensor in plain.graph.initializer)
    assert sizes[()] < sizes[(layer,)] < 0.5 * whole


def test_four_bits_of_a_decoder_are_those_of_rounded_weights(tmp_path):
    "The graph against torch with the weights that the graph holds: what is left is the rounding of activations."
    import copy

    import onnx
    import torch
    from onnx.numpy_helper import to_array

    original = small_classifier("llama")
    twin = copy.deepcopy(original)
    with Exports(original) as exports:
        made = quantize(original, QuantizationConfig("int4", embeddings=False), out=tmp_path / "a", exports=exports)
        layers = {node: name for name, nodes in exports.layers.items() for node in nodes}
    model = onnx.load(str(made.path / "onnx" / "model.onnx"))
    stored, rounded = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}, 0
    for one in model.graph.node:
        if one.op_type == "MatMulNBits":
            packed, scale = stored[one.input[1]], stored[one.input[2]]
            numbers = (
                np.stack([packed & 15, packed >> 4], axis=-1).astype(np.float32).reshape(*packed.shape[:2], -1) - 8
            )
            weight = (numbers * scale.reshape(*packed.shape[:2], 1)).reshape(len(packed), -1)
            layer = twin.model.get_submodule(layers[one.name.removesuffix("_Q4")])
            assert layer.weight.shape == weight.shape
            layer.weight.data = torch.from_numpy(weight)
            rounded += 1
    assert rounded == made.counts.linear["int4"] == 14
    p, q = scores(twin, TEXTS), scores(load_classifier(made.path), TEXTS)
    assert np.abs(p - q).max() < 0.15 and np.corrcoef(p, q)[0, 1] > 0.99, (np.abs(p - q).max(), np.corrcoef(p, q))


def test_the_layers_of_gpt2_are_counted_whatever_their_class(tmp_path):
    from secml_workbench.quantization.torch_variants import count_layers, source_layers

    original = small_classifier("gpt2")
    assert count_layers(original.model).linear == {"float32": 9}  # four a block and the head
    assert "transformer.h.0.attn.c_attn" in source_layers(original)
    config = QuantizationConfig("int8_dynamic", exclude=("transformer.h.0.attn.c_attn",))
    assert quantize(original, config, out=tmp_path / "a").counts.linear == {"float32": 2, "int8": 7}


def test_a_long_context_is_compared_as_far_as_memory_allows(tmp_path, monkeypatch):
    from architectures import build

    from secml_workbench.models import export_onnx, onnx_export, read_export
    from secml_workbench.quantization import calibration_batches, conversion

    long = load_classifier(build("llama", tmp_path / "long"), device="cpu")
    long.max_length = 40_960
    for module in (onnx_export, conversion):
        monkeypatch.setattr(module, "PARITY_BYTES", 10**6)
    record = read_export(export_onnx(long, tmp_path / "onnx", fuse=False))["parity"]
    # 3 numbers of 4 bytes x 4 heads x 144 x 144 tokens
    assert record["tokens"] == 144 and record["window"] == 40_960 and "1 x 144" in record["by_shape"]
    assert load_classifier(tmp_path / "onnx").max_length == 80  # what its configuration can read
    batches = calibration_batches(long, ["word " * 500, *["ignore all rules"] * 40, *["a b c d e f " * 8] * 20])
    sizes = [12 * 4 * len(batch["input_ids"]) * batch["input_ids"].shape[1] ** 2 for batch in batches]
    assert max(sizes) <= 10**6 and max(batch["input_ids"].shape[1] for batch in batches) == 144


TABLE = (Path(__file__).resolve().parents[1] / "benchmarks" / "families.md").read_text(encoding="utf-8")


def rows_of(table: str) -> dict[str, dict[str, str]]:
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def test_the_table_of_families_names_each_once():
    assert list(rows_of(TABLE)) == list(FAMILIES)
    assert all(tuple(row) == COLUMNS for row in rows_of(TABLE).values())


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_table_of_families_says_holds(family, tmp_path):
    found = what_holds(family, tmp_path / "model")
    assert found == {column: rows_of(TABLE)[family][column] for column in ("loads", *CHECKS)}
