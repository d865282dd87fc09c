"""ConversationRelay: the provider turns speech into text and back, we exchange text frames over a WebSocket."""
