"""Annotations of images, and files that hold many images, to a ``Dataset``."""
