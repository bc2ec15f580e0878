"""Acquire at Items."""
