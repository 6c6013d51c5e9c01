"""Columns of raw cells, read from files of any kind, and encoding of raw cells as rows of numbers."""
