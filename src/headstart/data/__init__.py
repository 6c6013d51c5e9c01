"""Labelled samples with a task and a split, read from folders, tables, lists of images or arrays."""
