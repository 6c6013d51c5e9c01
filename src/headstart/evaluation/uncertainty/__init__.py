"""How sure a prediction is: sets and intervals that contain the truth with a chosen probability."""
