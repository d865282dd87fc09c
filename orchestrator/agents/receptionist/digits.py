"""Reads telephone numbers as people say them, and writes them to be read aloud."""

import re

MIN_DIGITS, MAX_DIGITS = 7, 15  # a local number; the longest that E.164 allows

_DIGITS = {
    word: str(digit)
    for digit, words in enumerate(
        ("zero oh o nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine niner")
    )
    for word in words.split()
}
_TEEN_WORDS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TEENS = {word: str(number) for number, word in enumerate(_TEEN_WORDS.split(), 10)}
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: str(number) for number, word in enumerate(_TENS_WORDS.split(), 2)}
_TIMES = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
_FILLERS = frozenset(("and", "uh", "um", "er", "dash", "hyphen", "plus", "then", "area", "code", "so"))


_TRUNK_ZERO = re.compile(r"(\+\d{1,3} ?)\(0\)")
"""The zero that is not dialled after a country code: "+44 (0)20"."""
_DATE = re.compile(r"\b(?:\d{1,2}/\d{1,2}/(?:19|20)?\d\d|(?:19|20)\d\d-[01]\d-[0-3]\d)\b")


def spoken_digits(text: str) -> str:
    """Return the longest run of digits in `text`: "five five five, double two oh" → "555220"; "" if there is none."""
    runs, run, times = [""], "", 1
    words = re.findall(r"\d+|[^\W\d_]+", _DATE.sub(" date ", _TRUNK_ZERO.sub(r"\1", text.lower())))
    for word, following in zip(words, [*words[1:], ""], strict=False):
        digits = _digits_of(word, following, has_begun=bool(run))
        if word in _TIMES:
            times = _TIMES[word]
        elif digits is not None:
            run, times = run + digits[0] * (times - 1) + digits, 1
        elif word not in _FILLERS:
            runs.append(run)
            run, times = "", 1
    return max(reversed([*runs, run]), key=len)  # of two that are equally long the later one, which corrects the other


def _digits_of(word: str, following: str, *, has_begun: bool) -> str | None:
    if word in ("oh", "o") and not (has_begun or following in _DIGITS or following.isdecimal()):
        return None  # "Oh, I see"
    if word in _TENS:
        return _TENS[word] if following in _DIGITS and following not in ("oh", "o", "zero") else _TENS[word] + "0"
    if word == "hundred":
        return "00" if has_begun else None
    if word.isdecimal():
        return "".join(str(int(digit)) for digit in word)  # other scripts' digits too
    return _DIGITS.get(word) or _TEENS.get(word)


def grouped(number: str) -> str:
    """Return a number to be read aloud: "5551234567" → "5 5 5, 1 2 3, 4 5 6 7"."""
    digits = [digit for digit in number if digit.isdecimal()]
    tail = len(digits) - 4
    groups = [*[digits[max(end - 3, 0) : end] for end in range(tail, 0, -3)][::-1], digits[max(tail, 0) :]]
    return ", ".join(" ".join(group) for group in groups)
