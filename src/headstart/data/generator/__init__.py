"""Generators of image batches for any Keras ``fit``, ``evaluate`` and ``predict``."""
