"""Training: the name of a network and its options to Keras layers."""
