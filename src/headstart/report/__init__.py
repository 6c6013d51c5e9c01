"""The files of a run -> one self-contained HTML page."""
