"""Encrypting anew what lies in Redis and in the database: which places there are, and under which keys."""
