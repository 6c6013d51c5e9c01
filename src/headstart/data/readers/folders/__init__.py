"""Folders of class folders, and archives of them, to a ``Dataset``."""
