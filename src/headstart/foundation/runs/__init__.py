"""Foundation: the folder of a run on disk: its files, their shapes and their digests, read without trust."""
