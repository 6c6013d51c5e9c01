"""Pretrained networks by name, with their weights and the stages where they can be cut."""
