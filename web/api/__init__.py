"""The API: text conversations and a look at the calls, in JSON."""
