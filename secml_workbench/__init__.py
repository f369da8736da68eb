"""A Jupyter-first research workbench for security text classifiers."""

__version__ = "0.1.0"
