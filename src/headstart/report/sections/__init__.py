"""Contents of a run folder -> the sections of the page."""
