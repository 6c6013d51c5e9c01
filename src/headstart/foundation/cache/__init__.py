"""The cache folder: rows, decoded images and graphs that can be computed again, kept within a size limit."""
