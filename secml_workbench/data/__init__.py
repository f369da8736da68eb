"""Labelled texts: load, check, split and score them; families of attack patterns; disguises undone."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
