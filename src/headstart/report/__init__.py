"""Report: the files of a run to one self-contained page."""
