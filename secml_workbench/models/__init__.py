"""One protocol, `predict_proba`, for PyTorch, ONNX Runtime, OpenVINO and TF-IDF; fine-tuning."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
