"""How the application asks the server for a ping."""

PING = "voiceagent.ping"
"""In the scope's `extensions`: a coroutine function that returns when the peer has answered, and raises
`ConnectionError` when the socket is closed. It may take for ever: bound it."""
