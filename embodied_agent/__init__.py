"""A sentence in, a checked program out, a moved object measured: see README.md."""

__version__ = "0.1.0"
