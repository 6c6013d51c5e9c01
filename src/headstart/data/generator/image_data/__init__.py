"""Keras's retired ``ImageDataGenerator``, with batches decoded ahead and every skipped file listed."""
