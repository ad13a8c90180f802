"""`python -m hitl`: chat in the terminal, check the agents' files, verify and export the audit."""

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
VERIFY = """\
Check the audit: that no row of it was changed, left out or added, and that for every request what
was shown is what was approved and what was executed. Names the first row that is broken.
Exit code 1 if one is. What it proves, with and without HITL_SIGNING_KEY, is in README.md."""
EXPORT = """\
Write the audit as lines of JSON, oldest first. `verify --file` checks such a file without the
database. Secret arguments are in it as salted commitments, results as digests."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit code: 1 if it could not be done, 2 if wrongly called."""
    options = _parser().parse_args(arguments)
    from hitl.errors import DeclarationError, HitlError

    _never_fail_to_print()
    try:
        return COMMANDS[options.command](options)
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
    verify = commands.add_parser(
        "verify", help="verify the audit", description=VERIFY, formatter_class=plain
    )
    verify.add_argument("--head", metavar="N:HASH", help="a head, logged or exported before")
    verify.add_argument("--file", metavar="FILE", help="an exported file, instead of the database")
    commands.add_parser(
        "export", help="export the audit", description=EXPORT, formatter_class=plain
    )
    return parser


def _chat(options: argparse.Namespace) -> int:
    _with_history()
    from hitl.terminal import chat

    chat(options.agent, options.conversation)
    return 0


def _check(_: argparse.Namespace) -> int:
    from hitl.check import main as check
    from hitl.settings import Settings

    return check(Settings.from_env().agents_dir)


def _verify(options: argparse.Namespace) -> int:
    from hitl.journal import Journal
    from hitl.settings import Settings
    from hitl.verifying import Broken, read_export, verify, verify_entries

    settings = Settings.from_env()
    key, head = settings.signing_key, options.head
    try:
        if options.file:
            with open(options.file, encoding="utf-8") as lines:
                found = verify_entries(read_export(lines), key=key, head=head)
        else:
            journal = Journal(settings.database_url, signing_key=key)
            found = journal.read(verify, key=key, head=head)
    except OSError as error:
        print(f"{options.file}: {error.strerror}", file=sys.stderr)
        return 2
    except Broken as broken:
        print(f"broken: {broken}")
        return 1
    print(
        f"{found.entries} entries about {found.requests} requests are in order, "
        f"{'signed' if found.signed else 'not signed'}. Head: {found.head}"
    )
    return 0


def _export(_: argparse.Namespace) -> int:
    from hitl.journal import Journal, audit
    from hitl.settings import Settings

    journal = Journal(Settings.from_env().database_url)
    for line in journal.read(lambda tx: list(audit.export(tx))):
        print(line)
    return 0


COMMANDS = {"chat": _chat, "check": _check, "verify": _verify, "export": _export}


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
