"""What a model writes and nobody can say is not said, however it is cut into pieces; honest words are left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agents.spoken_text import SpeechFilter, TextCall, UntaggedThoughts

ANSWER = "Your answer is four."
WRITTEN = {
    # thoughts
    "<think>\nThe caller wants X. Secret plan.\n</think>\n\nYour answer is four.": ANSWER,
    "<THINKING mode='deep'>Secret</THINKING>Your answer is four.": ANSWER,
    "<think>a</thinking>Your answer is four.": ANSWER,
    "[THINK]Secret < plan[/THINK]Your answer is four.": ANSWER,
    "◁think▷Secret◁/think▷Your answer is four.": ANSWER,
    "<|channel|>analysis<|message|>Secret<|end|><|start|>assistant<|channel|>final<|message|>Your answer is four.": (
        ANSWER
    ),
    "Okay, the caller wants X. Secret plan.\n</think>\n\nYour answer is four.": ANSWER,
    "<think>Secret plan that never ends": "",
    "Yes.<think>Secret</think> Four.": "Yes. Four.",
    "<think>a<think>b</think>c</think>Your answer is four.": ANSWER,
    "<think>I use a <think> tag.</think>Your answer is four.": ANSWER,
    "<think/>Your answer is four.": ANSWER,
    "<|START_THINKING|>Secret<|END_THINKING|><|START_RESPONSE|>Your answer is four.<|END_RESPONSE|>": ANSWER,
    "It&#39;s &#x41;": "It's A",
    # Markdown
    "**Great!** Here are *two* `times`:": "Great! Here are two times:",
    "1. **Monday** at 9\n2. *Tuesday* at `10:30`\n": "1. Monday at 9.\n2. Tuesday at 10:30.\n",
    "### Note\n- one\n* two\n• three\nEnd": "Note.\none.\ntwo.\nthree.\nEnd",
    "__Sure__, ~~no~~ _yes_ ***very*** much": "Sure, no yes very much",
    "> quoted\n\n---\nEnd": "quoted\n\nEnd",
    "| day | time |\n|:---|---:|\n| Monday | nine |\n": "day, time.\nMonday, nine.\n",
    "- [x] paid\n- [ ] sent": "paid.\nsent",
    "```\nFour.\n```": "Four.\n",
    "```python\nprint(4)\n```\nFour.": "Four.",
    r"Five \* three": "Five * three",
    # links
    "Call [our **site**](https://example.com/x_(y)?a=b) now": "Call our site now",
    "See https://www.example.com/a?b=c. Or <https://example.org/x>!": "See example.com. Or example.org!",
    "![a door](door.png) and [terms][1] and that[^2].": "a door and terms and that.",
    # symbols and tags
    "Done 😊✅! 1️⃣ 👩‍👩‍👧 🇸🇪": "Done ! 1 ",
    "Sure.<|eot_id|><|im_end|></s><｜end▁of▁sentence｜>": "Sure.",
    "<speak>One<break time='1s'/> two</speak><br>three &amp; four&nbsp;five": "One two three & four five",
    "<|im_start|>assistant\nHi.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>": "Hi.\n",
    "<start_of_turn>model\nHi.<end_of_turn>": "Hi.",
}
HANG_UP = TextCall("hang_up")
CALLS = {
    '```json\n{"name": "hang_up", "parameters": {}}\n```': ("", HANG_UP),
    '{"name": "hang_up", "parameters": {"reason": "done"}}': ("", TextCall("hang_up", {"reason": "done"})),
    "Thank you for calling, goodbye! hang_up()": ("Thank you for calling, goodbye! ", HANG_UP),
    'Bye! <tool_call>{"name": "hang_up", "arguments": {}}</tool_call>': ("Bye! ", HANG_UP),
    'Bye! <function=hang_up>{"reason": "x"}</function>': ("Bye! ", TextCall("hang_up", {"reason": "x"})),
    '<invoke name="hang_up"><parameter name="reason">x</parameter></invoke>': (
        "",
        TextCall("hang_up", {"reason": "x"}),
    ),
    '[TOOL_CALLS][{"name": "hang_up", "arguments": {}}]': ("", HANG_UP),
    '<|python_tag|>hang_up(reason="a (b)")<|eom_id|>': ("", TextCall("hang_up", {"reason": "a (b)"})),
    '{"type": "function", "function": {"name": "order", "arguments": "{\\"n\\": 1}"}}': (
        "",
        TextCall("order", {"n": 1}),
    ),
    'functions.order({"n": 1})': ("", TextCall("order", {"n": 1})),
    "`order(n=1)`": ("", TextCall("order", {"n": 1})),
    "[order(n=1)]": ("", TextCall("order", {"n": 1})),
    '[TOOL_CALLS]order[ARGS]{"n": 1}': ("", TextCall("order", {"n": 1})),
    "<tool_call>order\n<arg_key>n</arg_key>\n<arg_value>one</arg_value>\n</tool_call>": (
        "",
        TextCall("order", {"n": "one"}),
    ),
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>order\n```json\n{"n": 1}\n```'
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>": ("", TextCall("order", {"n": 1})),
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>order<｜tool▁sep｜>{"n": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>': (
        "",
        TextCall("order", {"n": 1}),
    ),
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.order:0<|tool_call_argument_begin|>"
    '{"n": 1}<|tool_call_end|><|tool_calls_section_end|>': ("", TextCall("order", {"n": 1})),
}
HONEST = [
    "5 * 3 is 15, and 5*3*2 is 30.",
    "3 *4, 2**3",
    "a_b and snake_case_name",
    "1 < 2, x<y and y > x",
    "a <b and c> d",
    "say <your name>",
    "ann_lee@example.com or _x_y@example.com",
    "Hello!",
    "AT&T; R&D & more",
    r"C:\dir and \d",
    "[sic] and [1] (s) person(s)",
    "{x} and {}",
    '{"answer": 4} is what it said',
    "Okay, I have that. ",
    "The caller before you was Ann.",
    "The user wants four.",
    "It is -5 degrees, about ~5 below.",
    "We are #1.",
    "You can transfer (or book) the book(s).",
    "Wait... 50% off – really — yes…",
    " leading and trailing ",
    "你好 ۵ नमस्ते क्‍ष Ünïcödé",
    "It costs $5, €6 or £7; see § 8 © 2026 ™.",
    "3:30 p.m., 10/12, 555-123-4567, +46 8 123",
    "e.g. http and www are words",
    "two\n\nparagraphs\n",
]


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return [*pieces, text[at:]]


def spoken(pieces: list[str]) -> tuple[str, list[TextCall]]:
    speech = SpeechFilter(["order"])
    return "".join([*map(speech.feed, pieces), speech.end()]), speech.calls


@pytest.mark.parametrize(("written", "said"), WRITTEN.items())
def test_what_nobody_can_say_is_left_out(written: str, said: str) -> None:
    assert spoken([written])[0] == said
    assert spoken(list(written))[0] == said


@pytest.mark.parametrize(("written", "meant"), CALLS.items())
def test_a_call_written_as_text_is_not_said_but_known(written: str, meant: tuple[str, TextCall]) -> None:
    assert spoken([written]) == spoken(list(written)) == (meant[0], [meant[1]])


@pytest.mark.parametrize("honest", HONEST)
def test_honest_text_is_left_alone(honest: str) -> None:
    assert spoken([honest]) == (honest, [])


FRAGMENTS = st.sampled_from(
    [part for text in [*WRITTEN, *CALLS, *HONEST] for part in (text, text[: len(text) // 2], text[len(text) // 3 :])]
)
texts = st.lists(FRAGMENTS | st.text("<>/*_`[](){}!&\\|~#-:\n \"'aThk1.◁▷", max_size=12), max_size=5).map("".join)


@given(texts, st.lists(st.integers(0, 9), max_size=80))
def test_however_a_text_is_cut_the_same_is_said_of_it(text: str, sizes: list[int]) -> None:
    assert spoken(cut(text, sizes)) == spoken([text]) == spoken(list(text))


@given(st.text("abc XYZ,.;:?'\"()0123456789$%@äé", max_size=200), st.lists(st.integers(0, 9), max_size=40))
def test_words_and_numbers_are_never_changed(text: str, sizes: list[int]) -> None:
    assert spoken(cut(text, sizes)) == (text, [])


@pytest.mark.parametrize("piece", ["Hello", "Hello, ", "Well, ", "One moment, please.", "Okay.", "5 * 3", "I ", "Yes!"])
def test_plain_words_are_said_at_once(piece: str) -> None:
    assert SpeechFilter().feed(piece) == piece


def test_what_may_be_thought_is_held_no_longer_than_it_may() -> None:
    speech = SpeechFilter()
    assert [speech.feed(piece) for piece in ("The", " office", " is open", " <", " 5")] == [
        "", "The office", " is open", " ", "< 5",
    ]  # fmt: skip


def test_a_model_that_leaves_its_opening_tag_out_is_known_from_then_on() -> None:
    thoughts = UntaggedThoughts()
    first = SpeechFilter(thoughts=thoughts)
    assert [first.feed("Let me see."), first.feed(" Secret.</think>Four."), first.end()] == [
        "Let me see.",
        " Secret.Four.",
        "",
    ]
    second = SpeechFilter(thoughts=thoughts)
    assert [second.feed("Let me see."), second.feed("</think>Five."), second.end()] == ["", "Five.", ""]
    third = SpeechFilter(thoughts=thoughts)
    assert [third.feed("Six."), third.end()] == ["", "Six."]
    assert SpeechFilter(thoughts=thoughts).feed("Seven.") == "Seven.", "it no longer does"


def test_something_done_amid_the_text_comes_after_the_words_before_it() -> None:
    speech = SpeechFilter()
    assert (speech.feed("Listen: *"), speech.pause(), speech.feed("good*")) == ("Listen: ", "*", "good")
    speech = SpeechFilter()
    assert (speech.feed("<think>a"), speech.pause(), speech.feed("b</think>c")) == ("", "", "c")


def test_what_never_ends_is_not_kept() -> None:
    speech = SpeechFilter()
    for opening in ("<think>", "<tool_call>", "```python\n"):
        speech = SpeechFilter()
        speech.feed(opening)
        for _ in range(100):
            assert speech.feed("word " * 1000) == ""
        assert sum(len(str(value)) for value in vars(speech).values()) < 20_000
        assert speech.end() == ""
