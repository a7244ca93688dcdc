"""The version of the collection, which is also the version of every bundle released with it."""

__version__ = "0.1.0"
