"""The bench's job in Gradio: a chat in which a tool call waits for Approve or Reject."""

import os

import gradio as gr

from agent import open_calls, settle, speak


def draw(history: list[dict], partial: str = ""):
    """What the page shows of `history`; `partial` is text that still arrives."""
    calls = open_calls(history)
    return {
        chat: [*transcript(history), *([gr.ChatMessage(partial)] if partial else [])],
        request: f"The agent wants to run `{describe(calls[0])}`." if calls else "",
        approval: gr.Row(visible=bool(calls)),
        box: gr.Textbox(interactive=not calls),
        state: history,
    }


def transcript(history: list[dict]):
    for message in history:
        if message["role"] == "tool":
            yield gr.ChatMessage(message["content"], metadata={"title": "Tool result"})
        elif message.get("content"):
            yield gr.ChatMessage(message["content"], role=message["role"])


def describe(call: dict) -> str:
    return f"{call['function']['name']}({call['function']['arguments']})"


async def let_speak(history: list[dict]):
    """Draw at once, then with every piece of the model's text, then the finished message."""
    text = ""
    yield draw(history)
    async for piece in speak(history):
        text += piece
        yield draw(history, text)
    yield draw(history)


async def ask(text: str, history: list[dict]):
    if text.strip():
        history.append({"role": "user", "content": text})
        async for shown in let_speak(history):
            yield {**shown, box: gr.Textbox("", interactive=not open_calls(history))}


async def decide(history: list[dict], approved: bool):
    """Settle the first open call; the model speaks again once none is left."""
    calls = open_calls(history)
    if calls:
        settle(history, calls[0], approved)
    if calls[1:]:
        yield draw(history)
    elif calls:
        async for shown in let_speak(history):
            yield shown


with gr.Blocks(title="Addition Agent", analytics_enabled=False, fill_height=True) as page:
    state = gr.State([])
    chat = gr.Chatbot(show_label=False, scale=1)
    with gr.Row(visible=False) as approval:
        request = gr.Markdown()
        approve = gr.Button("Approve", variant="primary")
        reject = gr.Button("Reject")
    box = gr.Textbox(placeholder="Message the agent", show_label=False, submit_btn=True)
    SHOWN = [chat, request, approval, box, state]
    box.submit(ask, [box, state], SHOWN, show_progress="hidden")
    for button, choice in ((approve, True), (reject, False)):
        button.click(decide, [state, gr.State(choice)], SHOWN, show_progress="hidden")

page.launch(server_name="127.0.0.1", server_port=int(os.environ["PORT"]), share=False)
