"""Export: the encoding and the trees of a table, and TensorFlow functions, to graphs that other runtimes read."""
