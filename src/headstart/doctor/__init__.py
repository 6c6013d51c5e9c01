"""Doctor: data, columns, pictures and results to findings: what is wrong, how it was measured, and what to do."""
