"""Foundation: the one cache folder: rows, squares and graphs that can be made again, kept within a bound."""
