"""A plan and the speed of this machine -> the trials that fit into a budget."""
