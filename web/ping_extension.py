"""The ASGI extension by which the application pings a WebSocket's peer."""

PING = "voiceagent.ping"
"""The key in the scope's `extensions` of a coroutine function that returns when the peer has answered. It raises
`ConnectionError` when the socket is closed. It has no deadline of its own."""
