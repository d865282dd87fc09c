"""The rollout plan in Redis, the outcomes of turns by which it is undone, and what is counted of the versions."""
