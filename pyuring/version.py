"""The release of pyuring; the distribution's metadata have it from here."""

__all__ = ["__version__"]

__version__ = "0.1.0"
