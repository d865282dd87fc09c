"""The domain: calls, turns, replies. Imports pydantic and nothing that does I/O."""
