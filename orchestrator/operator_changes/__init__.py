"""The audit log of what people change over Redis with `voiceagent`, whose own output nobody else sees."""
