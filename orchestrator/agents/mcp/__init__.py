"""Tools of servers that speak the Model Context Protocol, for the agent `llm`.

    session     opens a session with one server: over HTTP, or with a command that it starts
    connection  keeps the session with a server open, in one event loop
    servers     all servers: their tools, under names that do not collide
    results     what a tool returned, for the model

The package `mcp` is imported by `session` alone, and all of this only when `LLM_MCP_SERVERS` is set.
"""
