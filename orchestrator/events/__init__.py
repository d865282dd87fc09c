"""What happened in calls, told to the outside: events, and the sinks they go to."""
