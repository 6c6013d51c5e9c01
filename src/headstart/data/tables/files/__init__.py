"""The bytes of a file of any supported kind to a table of raw cells."""
