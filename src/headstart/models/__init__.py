"""Models: Part A and Part B to one model that is fitted, evaluated, saved and loaded."""
