"""Evaluation: numbers and arrays to figures, drawn on given axes. Nothing here knows an evaluation or a task."""
