"""Data: a picture to a random view of it. No other folder changes a picture on purpose."""
