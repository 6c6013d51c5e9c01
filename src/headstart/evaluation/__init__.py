"""Evaluation: predictions beside the truth to metrics, intervals and comparisons."""
