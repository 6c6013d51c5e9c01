"""Search: data, a plan and a budget to a finished run."""
