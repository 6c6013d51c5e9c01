"""Features: the name of a pretrained network to the network, with its weights and the places where it can be cut."""
