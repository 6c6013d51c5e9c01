"""Features (Part A): from samples to rows of features, each computed once and stored."""
