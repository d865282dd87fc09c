"""How often something may happen within a time: requests of a key, calls of a number."""
