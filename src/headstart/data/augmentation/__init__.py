"""Random augmentation of images. No other folder changes the content of an image on purpose."""
