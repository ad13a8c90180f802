"""`python -m hitl`: chat in the terminal, check the agents' files."""

import argparse
import os
import sys

CHAT = """\
Chat with an agent in this terminal, beside the app if that runs: both use the same database.
Before a tool that needs approval starts, you are asked. Answer y to approve it, n to reject it,
or write why not: that rejects it, and the agent is told. Ctrl-C or Ctrl-D leaves."""
CHECK = """\
Report on every file in the agents' folder: what is wrong with it, with file and line, which
tools ask a person first, and which run freely. Exit code 1 if something is wrong."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit code: 1 if it could not be done, 2 if wrongly called."""
    options = _parser().parse_args(arguments)
    from hitl.errors import DeclarationError, HitlError

    _never_fail_to_print()
    try:
        return _check() if options.command == "check" else _chat(options)
    except BrokenPipeError:  # whoever read our output has left, and so do we
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except HitlError as error:
        from hitl.plain import visible

        print(visible(str(error)), file=sys.stderr)
        return 2 if isinstance(error, DeclarationError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hitl",
        description="Agents whose tools wait for your approval.",
        epilog="The app itself starts with: streamlit run app.py",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    plain = argparse.RawDescriptionHelpFormatter
    chat = commands.add_parser(
        "chat", help="chat in this terminal", description=CHAT, formatter_class=plain
    )
    chat.add_argument(
        "agent", nargs="?", help='for example "Addition Agent"; asked for if left out'
    )
    chat.add_argument("--conversation", metavar="ID", help="continue this conversation")
    commands.add_parser(
        "check", help="check the agents' files", description=CHECK, formatter_class=plain
    )
    return parser


def _chat(options: argparse.Namespace) -> int:
    _with_history()
    from hitl.terminal import chat

    chat(options.agent, options.conversation)
    return 0


def _check() -> int:
    from hitl.check import main as check
    from hitl.settings import Settings

    return check(Settings.from_env().agents_dir)


def _with_history() -> None:
    """Arrow keys, where Python was built with them."""
    try:
        import readline  # noqa: F401
    except ImportError:
        return


def _never_fail_to_print() -> None:
    """Whatever the terminal's encoding: a character that it lacks is written as an escape."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace" if stream is sys.stdin else "backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
