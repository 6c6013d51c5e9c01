"""Decoding of image files to squares of RGB pixels, many at once, in worker processes with limited time and memory."""
