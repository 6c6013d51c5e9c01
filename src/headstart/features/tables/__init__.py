"""Features: columns of raw cells to rows of numbers, by an encoding that is learned from the training rows."""
