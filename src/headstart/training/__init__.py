"""Training (Part B): from rows of features to a trained network."""
