"""The `secml` command: a thin shell over the library, for jobs, Makefiles and people who are not in a notebook."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
