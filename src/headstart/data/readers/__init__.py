"""Readers that turn a folder, a table, a list of images or arrays into a ``Dataset``."""
