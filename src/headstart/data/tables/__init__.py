"""Data: the bytes of a CSV or Parquet file to columns of raw cells, and raw cells to rows of numbers."""
