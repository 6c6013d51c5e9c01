"""Errors, arguments, digests, timing and files for all other folders; nothing here depends on samples or models."""
