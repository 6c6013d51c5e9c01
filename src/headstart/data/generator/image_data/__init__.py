"""Data: the arguments of Keras's retired ``ImageDataGenerator`` to batches, read ahead and with every file accounted for."""
