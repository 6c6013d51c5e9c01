"""Training: rows of features to models that are fitted without Keras: a linear head, trees, baselines."""
