"""Activities: functions that an agent starts and does not wait for. Their results come as turns of the call."""
