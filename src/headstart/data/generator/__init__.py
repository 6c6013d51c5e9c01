"""Data: image files to batches for any Keras ``fit``."""
