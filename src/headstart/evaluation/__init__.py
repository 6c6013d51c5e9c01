"""Predictions and true labels -> metrics, confidence intervals and comparisons of models."""
