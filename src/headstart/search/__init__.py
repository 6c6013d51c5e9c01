"""Data, a plan and a budget -> a finished run."""
