"""Reading of CSV and Parquet files into columns of raw cells, and encoding of raw cells as rows of numbers."""
