"""Smaller and faster variants of a classifier, and the gate that they must pass."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
