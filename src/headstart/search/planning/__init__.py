"""Search: a plan and the speed of this machine to the trials that a budget has room for."""
