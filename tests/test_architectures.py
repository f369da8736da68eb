"Every encoder family that people fine-tune: exported, quantized, in agreement with torch (small random weights)."

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from secml_workbench.data import load_corpus
from secml_workbench.models import TorchClassifier, default_encoder, load_classifier, scores
from secml_workbench.quantization import Exports, QuantizationConfig, quantize

SMALL = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
    "max_position_embeddings": 516, "vocab_size": 30522, "pad_token_id": 0, "num_labels": 2,
    "initializer_range": 0.3,  # large: a fresh model must not say the same to all texts
}  # fmt: skip
DISTIL = {
    "dim": 64,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 128,
    "vocab_size": 30522,
    "pad_token_id": 0,
    "num_labels": 2,
    "initializer_range": 0.3,
}
FAMILIES = {
    "bert": SMALL,
    "distilbert": DISTIL,
    "roberta": SMALL,
    "xlm-roberta": SMALL,
    "electra": SMALL | {"embedding_size": 64},
    "deberta-v2": SMALL | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 32},
    "modernbert": SMALL
    | {"global_attn_every_n_layers": 2}
    | {"cls_token_id": 101, "sep_token_id": 102, "bos_token_id": 101, "eos_token_id": 102},
}  # fmt: skip
TEXTS = load_corpus("tiny").texts


def small_classifier(family: str) -> TorchClassifier:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family, id2label={0: "benign", 1: "malicious"}, label2id={"benign": 0, "malicious": 1}, **FAMILIES[family]
    )
    model = AutoModelForSequenceClassification.from_config(config).eval()
    tokenizer = AutoTokenizer.from_pretrained(default_encoder(), local_files_only=True)
    return TorchClassifier(model, tokenizer, family, device="cpu", max_length=128)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_exported_and_quantized(family, tmp_path):
    original = small_classifier(family)
    p = scores(original, TEXTS)
    assert np.ptp(p) > 0.2, "the texts must differ, or agreement means nothing"
    agree = {"onnx_fp32": 0.9999, "int8_dynamic": 0.9, "int8_static": 0.9, "fp16": 0.999, "int4": 0.4}
    with Exports(original) as exports:
        for variant, least in agree.items():
            config, out = QuantizationConfig(variant), tmp_path / variant
            made = quantize(original, config, out=out, calibration=TEXTS, exports=exports)
            q = scores(load_classifier(made.path), TEXTS)
            assert np.corrcoef(p, q)[0, 1] > least, (variant, np.corrcoef(p, q)[0, 1], np.abs(p - q).max())
            assert variant == "onnx_fp32" or made.counts.reduced >= sum(made.counts.linear.values()) - 2, made.counts
    assert np.array_equal(p, scores(original, TEXTS))
