"""Models: Part A and Part B as one model that is fitted, evaluated, saved and loaded."""
