"""Columns of a table to the labels of its rows, and the task that they make."""
