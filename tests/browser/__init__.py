"""Tests of the real server in a real Chromium."""
