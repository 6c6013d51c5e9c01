"""From the name and options of a network to Keras layers."""
