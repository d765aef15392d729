"""The report drawn by matplotlib on A4 pages."""
