"""The API: text conversations, outbound calls and the state of calls, in JSON."""
