"""The documents that connect a relay call: only the latest one's session may begin."""
