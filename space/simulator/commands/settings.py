"""Properties and user settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.program import properties, user_settings

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


def set_property(session: Session, name: str, value: int) -> None:
    """Property of the program; it stays."""
    properties.change(session, name, value)


def report_property(session: Session, name: str) -> float:
    """Property of the program, the microscope or the current camera."""
    return properties.value(session, name)


def set_user_setting(session: Session, name: str, value: float, keep: int | None = None) -> None:
    """User setting; put back at the end of the script unless kept."""
    user_settings.change(session, name, value, bool(keep))


def report_user_setting(session: Session, name: str) -> float:
    """User setting."""
    return user_settings.value(session, name)


def save_settings(session: Session) -> None:
    """There is no settings file to save."""


COMMANDS: Commands = {
    "SetProperty": set_property,
    "ReportProperty": report_property,
    "SetUserSetting": set_user_setting,
    "ReportUserSetting": report_user_setting,
    "SaveSettings": save_settings,
}
