"""Models that are fitted to rows without Keras: a linear head, boosted trees, baselines."""
