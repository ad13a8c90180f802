"""The demo model plays its script, and tells the truth about what came of its calls."""

import asyncio
import json
import time
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock

from hitl.demo import DemoLLM
from hitl.demo_script import LONGEST_MESSAGE, find
from hitl.errors import DeclarationError
from hitl.journal.values import ToolRequest
from hitl.outcomes import tool_message

ADDITION = {
    "when": ["{a:d} + {b:d}", "add {a:d} and {b:d}"],
    "say": "I can add those.",
    "call": [
        {
            "tool": "add_two_numbers",
            "arguments": {"a": "{{ a }}", "b": "{{ b }}"},
            "as": "sum",
            "done": "{{ a }} + {{ b }} is {{ sum }}.",
            "rejected": "I did not add them. Reason: {{ reason }}",
            "failed": "Adding failed: {{ error }}",
        }
    ],
}
REFUND = {
    "when": ["refund order {order:d} and tell {customer}"],
    "call": [{"tool": "find_order", "arguments": {"order": "{{ order }}"}, "as": "found"}],
    "then": {
        "say": "Order {{ order }} cost {{ found.total }}.",
        "call": [
            {"tool": "refund", "arguments": {"order": "{{ order }}", "sum": "{{ found.total }}"}},
            {
                "tool": "email",
                "arguments": {"to": "{{ customer }}", "lines": ["Dear {{ customer }}"]},
            },
        ],
        "then": {"say": "{{ customer }} knows of the refund of order {{ order }}."},
    },
}
SAMPLES = ["What is 10 + 10?"]


def demo(*scripts: dict[str, Any], pace: float = 0) -> DemoLLM:
    return DemoLLM(list(scripts), SAMPLES, pace=pace)


def user(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, content=text)


def answer(script: dict[str, Any], *chat: ChatMessage) -> ChatMessage:
    return demo(script).chat(chat).message


def calls(message: ChatMessage) -> list[ToolCallBlock]:
    return [block for block in message.blocks if isinstance(block, ToolCallBlock)]


def arguments(message: ChatMessage) -> list[Any]:
    return [call.tool_kwargs for call in calls(message)]


def outcome(call: ToolCallBlock, status: Any = "succeeded", **details: Any) -> ChatMessage:
    """The tool message that the workflow would write."""
    unsaid = dict.fromkeys(ToolRequest.__dataclass_fields__)
    known = {"provider_id": call.tool_call_id, "tool": call.tool_name, "status": status}
    return tool_message(ToolRequest(**{**unsaid, "reason": "", **known, **details}))


def after(script: dict[str, Any], text: str, *outcomes: dict[str, Any]) -> ChatMessage:
    """What is said after a request whose calls had these outcomes."""
    asked = answer(script, user(text))
    answers = [outcome(call, **given) for call, given in zip(calls(asked), outcomes, strict=True)]
    return answer(script, user(text), asked, *answers)


def test_words_of_the_script_lead_to_its_call() -> None:
    message = answer(ADDITION, user("What is 10 + 20?"))
    assert message.content == "I can add those."
    assert [call.tool_name for call in calls(message)] == ["add_two_numbers"]
    assert arguments(message) == [{"a": 10, "b": 20}]


@pytest.mark.parametrize("text", ["ADD 10 and 20, please", "add 10 and 20", "10 + 20"])
def test_any_of_the_patterns_will_do_in_any_case_of_letters(text: str) -> None:
    assert arguments(answer(ADDITION, user(text))) == [{"a": 10, "b": 20}]


def test_only_the_last_message_of_the_person_counts() -> None:
    chat = [user("1 + 1"), ChatMessage(role=MessageRole.ASSISTANT, content="2"), user("2 + 3")]
    assert arguments(answer(ADDITION, *chat)) == [{"a": 2, "b": 3}]


def test_result_is_said_when_the_call_was_executed() -> None:
    assert after(ADDITION, "10 + 20", {"result": "30"}).content == "10 + 20 is 30."


def test_rejection_is_said_with_its_reason() -> None:
    said = after(ADDITION, "10 + 20", {"status": "rejected", "reason": "Too easy."})
    assert said.content == "I did not add them. Reason: Too easy."


def test_rejection_without_a_reason_is_said_so() -> None:
    said = after(ADDITION, "10 + 20", {"status": "rejected"})
    assert said.content == "I did not add them. Reason: none given"


def test_error_is_said() -> None:
    error = "Encountered error in tool call: kaput"
    said = after(ADDITION, "10 + 20", {"status": "failed", "result": error})
    assert said.content == "Adding failed: kaput"


def test_edited_arguments_are_what_is_said() -> None:
    said = after(ADDITION, "10 + 20", {"edited": {"a": 10, "b": 5}, "result": "15"})
    assert said.content == "10 + 5 is 15."


@pytest.mark.parametrize(
    ("status", "words"),
    [("unknown", "nobody knows"), ("cancelled", "not executed"), ("expired", "not executed")],
)
def test_what_did_not_end_is_never_called_done_or_failed(status: str, words: str) -> None:
    said = str(after(ADDITION, "10 + 20", {"status": status}).content)
    assert words in said
    assert "fail" not in said


def test_call_without_an_answer_counts_as_unknown() -> None:
    asked = answer(ADDITION, user("10 + 20"))
    assert "nobody knows" in str(answer(ADDITION, user("10 + 20"), asked).content)


def test_default_sentences_name_tool_result_reason_and_error() -> None:
    script = {"when": ["go"], "call": [{"tool": "one"}, {"tool": "two"}, {"tool": "three"}]}
    ends = [
        {"result": '{"id": 7}'},
        {"status": "rejected", "reason": "No."},
        {"status": "failed", "result": "Encountered error in tool call: kaput"},
    ]
    assert after(script, "go", *ends).content == (
        "one ran. Its result: {'id': 7} "
        "I did not run two: it was not approved. Reason: No. "
        "three failed: kaput"
    )


def play_refund(**second_step: Any) -> ChatMessage:
    """Refund an order of 80 to Ana; `second_step` is what comes of the refund itself."""
    chat = [user("Please refund order 7 and tell Ana")]
    chat.append(answer(REFUND, *chat))
    chat.append(outcome(calls(chat[-1])[0], result='{"total": 80}'))
    chat.append(answer(REFUND, *chat))
    refund, email = calls(chat[-1])
    return answer(REFUND, *chat, outcome(refund, **second_step), outcome(email, result="sent"))


def test_next_step_knows_the_results_and_asks_for_several_calls_at_once() -> None:
    message = after(REFUND, "refund order 7 and tell Ana", {"result": '{"total": 80}'})
    assert message.content == "Order 7 cost 80."
    assert arguments(message) == [
        {"order": 7, "sum": 80},
        {"to": "Ana", "lines": ["Dear Ana"]},
    ]


def test_last_step_may_only_speak() -> None:
    message = play_refund(result="refunded")
    assert message.content == "Ana knows of the refund of order 7."
    assert not calls(message)


def test_script_ends_with_the_truth_when_one_call_of_a_step_was_not_executed() -> None:
    said = str(play_refund(status="rejected", reason="Not yet.").content)
    assert "did not run refund" in said
    assert "email ran" in said


def test_next_step_knows_what_a_person_changed() -> None:
    said = play_refund(edited={"order": 8, "sum": 80}, result="refunded")
    assert said.content == "Ana knows of the refund of order 8."


TOUR = {
    "when": ["tour"],
    "say": "First.",
    "call": [{"tool": "one", "as": "one", "done": "One gave {{ result }}."}],
    "next": [
        {"say": "Second.", "call": [{"tool": "look", "as": "found"}]},
        {
            "say": "Third.",
            "call": [{"tool": "find", "as": "found"}],
            "then": {"say": "Found {{ found.name }}.", "call": [{"tool": "write"}]},
        },
        {"say": "{{ so_far.rejected }} of {{ so_far.values() | sum }} were rejected."},
    ],
}


def play(script: dict[str, Any], text: str, *ends: list[dict[str, Any]]) -> list[ChatMessage]:
    """What the model says, message by message, where its calls come to these ends."""
    chat, said = [user(text)], [answer(script, user(text))]
    for turn in ends:
        outcomes = [outcome(call, **end) for call, end in zip(calls(said[-1]), turn, strict=True)]
        chat += [said[-1], *outcomes]
        said.append(answer(script, *chat))
    return said


KAPUT = {"status": "failed", "result": "Encountered error in tool call: kaput"}
ENDS: list[dict[str, Any]] = [
    {"result": "fine"},
    {"status": "rejected", "reason": "no"},
    KAPUT,
    *({"status": status} for status in ("expired", "unknown", "worked", "not_done")),
    {"status": "denied", "rule": "deny"},
    {"status": "answered", "result": "yes"},
]


@pytest.mark.parametrize("end", ENDS)
def test_next_steps_follow_whatever_came_of_the_calls(end: dict[str, Any]) -> None:
    """They say first what came of them, and it is what would be said at the end."""
    first = after({**TOUR, "next": []}, "tour", end).content
    said = play(TOUR, "tour", [end], [end], [{"status": "rejected"}])
    assert said[1].content == f"{first}\n\nSecond."
    assert [call.tool_name for message in said for call in calls(message)] == [
        "one",
        "look",
        "find",
    ]
    assert str(said[3].content).endswith("of 3 were rejected.")


def test_then_is_gone_through_before_next() -> None:
    """`next` is what comes after a step, and `then` is a part of it."""
    said = play(TOUR, "tour", [{"result": "1"}], [KAPUT], [{"result": '{"name": "Ana"}'}], [KAPUT])
    assert [message.content for message in said] == [
        "First.",
        "One gave 1.\n\nSecond.",
        "look failed: kaput\n\nThird.",
        "Found Ana.",
        "write failed: kaput\n\n0 of 4 were rejected.",
    ]
    assert not calls(said[-1])


def test_several_calls_of_a_step_are_told_before_the_next_one() -> None:
    step = {"when": ["go"], "call": [{"tool": "one"}, {"tool": "two"}], "next": [{"say": "Done."}]}
    said = play(step, "go", [{"status": "rejected", "reason": "No"}, {"result": "2"}])[-1].content
    assert said == (
        "I did not run one: it was not approved. Reason: No two ran. Its result: 2\n\nDone."
    )


def test_a_long_tour_is_played_to_its_end() -> None:
    steps = [{"say": f"Step {n}.", "call": [{"tool": f"t{n}"}]} for n in range(30)]
    script = {"when": ["go"], **steps[0], "next": [*steps[1:], {"say": "The end."}]}
    said = play(script, "go", *[[{"result": "ok"}]] * 30)
    assert str(said[-1].content) == "t29 ran. Its result: ok\n\nThe end."


def test_what_a_person_answered_is_told_as_theirs() -> None:
    said = after(ADDITION, "10 + 20", {"status": "answered", "result": "some 30"})
    assert said.content == "add_two_numbers was not run; a person answered instead: some 30"


def test_what_a_person_answered_is_the_result_that_a_script_goes_on_with() -> None:
    end = {"status": "answered", "result": '{"total": 80}'}
    message = after(REFUND, "refund order 7 and tell Ana", end)
    assert arguments(message)[0] == {"order": 7, "sum": 80}
    assert str(message.content).startswith("find_order was not run; a person answered instead: ")


def test_an_answer_that_the_next_step_can_not_use_ends_the_script() -> None:
    """A person may write anything; a run must not fail because of it."""
    message = after(REFUND, "refund order 7 and tell Ana", {"status": "answered", "result": "80?"})
    assert message.content == "find_order was not run; a person answered instead: 80?"
    assert not calls(message)


def test_an_answer_that_only_a_later_step_can_not_use_ends_it_there() -> None:
    script = {
        "when": ["go"],
        "call": [{"tool": "find", "as": "found"}],
        "then": {"call": [{"tool": "ask"}], "then": {"say": "It is {{ found.name }}."}},
    }
    said = play(script, "go", [{"status": "answered", "result": "hm"}], [{"result": "ok"}])
    assert said[-1].content == "ask ran. Its result: ok"


def test_calls_of_another_model_are_told_by_their_names() -> None:
    call = ToolCallBlock(tool_call_id="call_1", tool_name="subtract", tool_kwargs='{"a": 1}')
    asked = ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text="Hm."), call])
    said = answer(ADDITION, user("10 + 20"), asked, outcome(call, result="9"))
    assert said.content == "subtract ran. Its result: 9"


def test_off_script_it_says_what_it_is_and_offers_its_samples() -> None:
    said = str(answer(ADDITION, user("Write me a poem")).content)
    assert "scripted, not an AI" in said
    assert SAMPLES[0] in said
    assert "OPENAI_API_KEY" in said


@pytest.mark.parametrize(
    "text",
    ["", "1" * 100_000, "10 + 20" + " " * LONGEST_MESSAGE],
    ids=["empty", "digits", "padded"],
)
def test_empty_and_huge_messages_are_off_script_at_once(text: str) -> None:
    started = time.process_time()
    assert "scripted" in str(answer(ADDITION, user(text)).content)
    assert time.process_time() - started < 1


def test_what_a_person_types_is_never_a_template() -> None:
    script = {
        "when": ["say {words}"],
        "call": [{"tool": "say", "arguments": {"it": "{{ words }}"}}],
    }
    assert arguments(answer(script, user("say {{ 7 * 7 }}"))) == [{"it": "{{ 7 * 7 }}"}]


@pytest.mark.parametrize("text", ["5", "007", "None", "[1, 2]"])
def test_texts_stay_texts(text: str) -> None:
    script = {
        "when": ["say {words}"],
        "call": [{"tool": "say", "arguments": {"it": "{{ words }}"}}],
    }
    assert arguments(answer(script, user(f"say {text}"))) == [{"it": text}]


def test_templates_are_sandboxed() -> None:
    script = {"when": ["go"], "say": "{{ ''.__class__.__mro__ }}"}
    with pytest.raises(DeclarationError, match="can't be filled in"):
        answer(script, user("go"))


def test_unknown_name_in_a_template_is_reported() -> None:
    with pytest.raises(DeclarationError, match="'nmae' is undefined"):
        answer({"when": ["go"], "say": "hi {{ nmae }}"}, user("go"))


def test_half_a_number_is_no_number() -> None:
    assert find("{a:d} + {b:d}", "1.5 + 2") is None
    assert find("{a:d} + {b:d}", "1 + 2.5") is None
    assert find("{a:d} + {b:d}", "That is -1 + 2.") == {"a": -1, "b": 2}


@pytest.mark.parametrize(
    "text",
    [
        *("10 + 10 + 10", "2 * 3 + 4", "10 - 5 + 3", "10 -5 + 3", "1e3 + 5", "10 + 10%", "x1 + 2"),
        *("add 1 and 2 and 3", "3 + 4 times 5", "5 and 3 + 4", "1 + 2x", "1 + 2 3"),
        *("Don't add 1 and 2", "do not add 1 and 2", "Never, ever add 1 and 2", "It's not 1 + 2."),
        *("Don’t add 1 and 2", "dont add 1 and 2"),
    ],
)
def test_half_of_a_question_and_its_opposite_are_off_script(text: str) -> None:
    assert "scripted" in str(answer(ADDITION, user(text)).content)


@pytest.mark.parametrize(
    "text", ["What is 1 + 2?", "Do not wait! Add 1 and 2.", "1 + 2 = ?", "(1 + 2)", "“add 1 and 2”"]
)
def test_question_among_other_words_is_answered(text: str) -> None:
    assert arguments(answer(ADDITION, user(text))) == [{"a": 1, "b": 2}]


def test_what_a_pattern_skips_is_no_part_of_a_sum() -> None:
    pattern = "{a:d} + {b:d}{}{c:d} + {d:d}"
    assert find(pattern, "1 + 2 + 3 + 4") is None
    assert find(pattern, "1 + 2 * 3 + 4") is None
    assert find(pattern, "1 + 2, and 3 + 4") == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_last_field_takes_the_rest_of_the_message() -> None:
    found = find("e-mail {who}: {text}", "Please e-mail Ana: one\ntwo")
    assert found == {"who": "Ana", "text": "one\ntwo"}


def test_ids_of_calls_are_the_same_each_time_and_never_used_twice() -> None:
    chat = [user("refund order 7 and tell Ana")]
    ids = []
    for result in ['{"total": 80}', "done", "done"]:
        message = answer(REFUND, *chat)
        assert calls(answer(REFUND, *chat)) == calls(message)
        ids += [call.tool_call_id for call in calls(message)]
        chat += [message, *(outcome(call, result=result) for call in calls(message))]
    ids += [call.tool_call_id for call in calls(answer(REFUND, *chat, chat[0]))]
    assert len(ids) == len(set(ids)) == 4


async def test_streams_word_by_word_with_the_calls_at_the_end() -> None:
    stream = await demo(ADDITION).astream_chat([user("10 + 20")])
    chunks = [chunk async for chunk in stream]
    assert [chunk.delta for chunk in chunks] == ["I ", "can ", "add ", "those.", ""]
    assert [len(calls(chunk.message)) for chunk in chunks] == [0, 0, 0, 0, 1]
    assert chunks[-1].message.content == "I can add those."


async def test_all_ways_to_ask_give_the_same_answer() -> None:
    llm, chat = demo(ADDITION), [user("10 + 20")]
    *_, streamed = llm.stream_chat(chat)
    *_, astreamed = [chunk async for chunk in await llm.astream_chat(chat)]
    answers = [llm.chat(chat), await llm.achat(chat), streamed, astreamed]
    assert len({response.message.model_dump_json() for response in answers}) == 1


async def test_completes_a_prompt_like_a_chat() -> None:
    llm = demo({"when": ["hello"], "say": "Hello to you."})
    *_, streamed = llm.stream_complete("hello")
    *_, astreamed = [chunk async for chunk in await llm.astream_complete("hello")]
    answers = [llm.complete("hello"), await llm.acomplete("hello"), streamed, astreamed]
    assert {completion.text for completion in answers} == {"Hello to you."}


async def test_streaming_leaves_the_loop_free() -> None:
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(work())
    async for _ in await demo(ADDITION, pace=0.001).astream_chat([user("10 + 20")]):
        pass
    other.cancel()
    assert turns > 5


def test_long_answer_comes_in_larger_pieces() -> None:
    words = "word " * 10_000
    script = {"when": ["go"], "say": words}
    chunks = list(demo(script).stream_chat([user("go")]))
    assert len(chunks) < 200
    assert "".join(str(chunk.delta) for chunk in chunks) == words


async def test_is_a_function_calling_model_for_llama_index() -> None:
    llm, history = demo(ADDITION), [user("hello")]
    assert llm.metadata.is_function_calling_model
    response = await llm.achat_with_tools([], "10 + 20", history)
    (selection,) = llm.get_tool_calls_from_response(response)
    assert (selection.tool_name, selection.tool_kwargs) == ("add_two_numbers", {"a": 10, "b": 20})
    assert len(history) == 1, "the caller's list is left alone"


def test_a_chat_that_went_through_json_is_understood() -> None:
    asked = answer(ADDITION, user("10 + 20"))
    call = calls(asked)[0]
    call.tool_kwargs = json.dumps(call.tool_kwargs)
    stored = ChatMessage.model_validate_json(asked.model_dump_json())
    said = answer(ADDITION, user("10 + 20"), stored, outcome(call, result="30"))
    assert said.content == "10 + 20 is 30."


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ({"say": "hi"}, "demo.0.when: Field required"),
        ({"when": [], "say": "hi"}, "demo.0.when: "),
        ({"when": ["go"]}, "demo.0: a step needs `say` or `call`"),
        ({"when": ["go"], "say": "hi", "then": {"say": "ho"}}, "demo.0: `then` follows a `call`"),
        ({"when": ["go"], "say": "hi", "next": [{"say": "ho"}]}, "demo.0: `next` follows a `call`"),
        (
            {"when": ["go"], "call": [{"tool": "x"}], "next": {"say": "ho"}},
            "demo.0.next: Input should be a valid list",
        ),
        (
            {
                "when": ["go"],
                "call": [{"tool": "x"}],
                "then": {"say": "never more"},
                "next": [{"say": "ho"}],
            },
            "demo.0: `next` follows a `call`, and so does what `then` leads to",
        ),
        (
            {"when": ["go"], "call": [{"tool": "x"}], "next": [{"say": "ho"}, {"say": "ho"}]},
            "demo.0: `next.0` must end with a `call`",
        ),
        (
            {"when": ["go"], "call": [{"tool": "x"}], "next": [{"sya": "ho", "say": "ho"}]},
            "demo.0.next.0.sya: ",
        ),
        ({"when": ["go"], "call": [{"tool": "x", "dnoe": "hi"}]}, "demo.0.call.0.dnoe: "),
        ({"when": ["go"], "say": "{{ a"}, "demo.0.say: '{{ a' is not a template"),
        ({"when": ["{a:d} {a}"], "say": "hi"}, "demo.0.when.0: '{a:d} {a}' is not a pattern"),
        (
            {"when": ["go"], "call": [{"tool": "x", "arguments": {"a": ["{{ b"]}}]},
            "demo.0.call.0.arguments: '{{ b' is not a template",
        ),
    ],
)
def test_wrong_script_is_refused_by_field(script: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        demo(script)
    assert complaint in str(refused.value)
