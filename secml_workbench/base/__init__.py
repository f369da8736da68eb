"""What everything stands on: errors, settings, strict JSON and atomic files, hashes, the machine, provenance, MLflow."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
