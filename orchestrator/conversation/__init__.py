"""The domain's types: calls, turns, replies. Imports pydantic and nothing that does I/O."""
