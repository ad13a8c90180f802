"""The pages, by name."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHAT = str(ROOT / "pages" / "chat.py")
APPROVALS = str(ROOT / "pages" / "approvals.py")
GRANTS = str(ROOT / "pages" / "grants.py")
AGENTS = str(ROOT / "pages" / "agents.py")
