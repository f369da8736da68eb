"""What a text looks like to a machine: five families of features in one named matrix."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
