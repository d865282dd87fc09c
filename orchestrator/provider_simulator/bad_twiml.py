"""`BadTwiml`: a document that the provider refuses."""


class BadTwiml(ValueError):
    """A document that the provider would not carry out. The message says what is wrong."""
