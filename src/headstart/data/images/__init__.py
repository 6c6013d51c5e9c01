"""Data: the bytes of an image file to a square of RGB pixels, many files at once, in bounded processes."""
