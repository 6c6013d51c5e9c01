"""Features, Part A: samples to rows of features, each computed once and kept."""
