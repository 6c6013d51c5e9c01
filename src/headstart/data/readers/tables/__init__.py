"""Tables of features, and tables that list images, to a ``Dataset``."""
