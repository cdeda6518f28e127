"""One plot of the report a file; each gives the picture and its numbers."""
