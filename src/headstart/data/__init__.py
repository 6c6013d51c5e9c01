"""Data: folders, tables, lists and arrays to labelled samples with a task and a split."""
