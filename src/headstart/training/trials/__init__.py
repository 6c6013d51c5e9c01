"""Training: the name of a trial and its settings to a ``Trial`` whose parts fit together."""
