"Every encoder family that people fine-tune: quantized, in agreement with torch (small random weights)."

from __future__ import annotations

import numpy as np
import pytest
from architectures import ENCODERS, small_classifier

from secml_workbench.data import load_corpus
from secml_workbench.models import load_classifier, scores
from secml_workbench.quantization import Exports, QuantizationConfig, quantize

TEXTS = load_corpus("tiny").sample(60, seed=0).texts


@pytest.mark.parametrize("family", ENCODERS)
def test_every_family_is_quantized(family, tmp_path):
    "Plain exports agree: test_classifiers holds it for hostile texts."
    original = small_classifier(family)
    p = scores(original, TEXTS)
    assert np.ptp(p) > 0.2, "the texts must differ, or agreement means nothing"
    agree = {"int8_dynamic": 0.9, "int8_static": 0.9, "fp16": 0.999, "int4": 0.4}
    with Exports(original) as exports:
        for variant, least in agree.items():
            config, out = QuantizationConfig(variant), tmp_path / variant
            made = quantize(original, config, out=out, calibration=TEXTS, exports=exports)
            q = scores(load_classifier(made.path), TEXTS)
            assert np.corrcoef(p, q)[0, 1] > least, (variant, np.corrcoef(p, q)[0, 1], np.abs(p - q).max())
            assert made.counts.reduced >= sum(made.counts.linear.values()) - 2, made.counts
    assert np.array_equal(p, scores(original, TEXTS))
