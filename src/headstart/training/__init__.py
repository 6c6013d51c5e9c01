"""Training, Part B: rows of features to a trained network."""
