"""Talk to an agent, and decide what it may do."""

from hitl.ui.shell import ensure

ensure()

from hitl.ui.chat import draw_head, go_where_asked, open_chat  # noqa: E402
from hitl.ui.conversation import draw_conversation  # noqa: E402

go_where_asked()
chat = open_chat()
draw_head(chat)
draw_conversation(chat)
