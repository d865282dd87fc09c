"""ConversationRelay: the provider turns speech into text and back; we exchange JSON frames over a WebSocket."""
