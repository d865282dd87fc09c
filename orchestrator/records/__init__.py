"""Records of calls in PostgreSQL: their tables, and the archive that reads them."""
