"""Data: a folder, a table, a list of images or arrays to a ``Dataset``."""
