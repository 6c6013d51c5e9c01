"""Export: a saved model to files for other runtimes, each checked by a fresh process."""
