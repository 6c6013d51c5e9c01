"""From columns of raw cells to rows of numbers, with an encoding learned from the training rows."""
