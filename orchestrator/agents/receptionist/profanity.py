"""Words of anger: they are neither a name nor a reason, but a sign that the caller is annoyed."""

_WORDS = frozenset(
    [
        "fuck",
        "fucking",
        "fucked",
        "fucker",
        "motherfucker",
        "shit",
        "shitty",
        "bullshit",
        "damn",
        "damned",
        "goddamn",
        "hell",
        "ass",
        "arse",
        "asshole",
        "arsehole",
        "bitch",
        "bastard",
        "crap",
        "idiot",
        "idiots",
        "moron",
        "stupid",
        "dumb",
        "bloody",
        "bugger",
        "wanker",
        "twat",
        "cunt",
        "dick",
        "piss",
        "pissed",
        "screw",
    ]
)


def without_profanity(text: str) -> str:
    """Return `text` without words of anger."""
    return " ".join(word for word in text.split() if word.lower().strip(",.!?;:'\"") not in _WORDS)
