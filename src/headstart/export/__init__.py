"""Export of a saved model to files for other runtimes, each verified by a new process."""
