"""From a trial's name and settings to a ``Trial`` whose parts fit together."""
