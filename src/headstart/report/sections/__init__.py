"""Report: what a run folder holds to the sections of the page."""
