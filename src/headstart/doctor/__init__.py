"""Checks of data, columns, pictures and results -> findings: what is wrong, how it was measured, and what to do."""
