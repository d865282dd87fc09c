"""Callers who leave the conversation for a while: connected with a person, or leaving a message; and their return."""
