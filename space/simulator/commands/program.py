"""Variables, properties, settings and version."""

from __future__ import annotations

from space.simulator.errors import SEMerror

VERSION = 40300
BUILD_DATE = 20260101


def is_variable_defined(session, name):
    """1 if it is."""
    return float(session.variables.defined(name))


def get_variable(session, name):
    """Value of a variable, or of reportedValue1-6 of the command before."""
    key = name.lower()
    if key.startswith("reportedvalue") and key[13:].isdigit():
        number = int(key[13:])
        if 1 <= number <= len(session.reported):
            return session.reported[number - 1]
    return session.variables.get(name)


def set_variable(session, name, value):
    """Text in a regular variable."""
    session.variables.set(name, value)


def set_persistent_var(session, name, value):
    """Text in a persistent variable."""
    session.variables.set(name, value, persistent=True)


def set_float_variable(session, name, value, persistent=None):
    """Number in a variable."""
    session.variables.set(name, float(value), persistent=bool(persistent))


def clear_persistent_vars(session):
    """Forget persistent variables."""
    session.variables.clear_persistent()


def is_version_at_least(session, version, date=None):
    """1 if the program is of this version and date or later."""
    try:
        wanted, day = int(version), int(date or 0)
    except ValueError as error:
        raise SEMerror("The version must be a number") from error
    return float(VERSION > wanted or (VERSION == wanted and BUILD_DATE >= day))


def _key(table, name, what):
    for key in table:
        if key.lower() == name.lower():
            return key
    raise SEMerror(f"{name} is not a recognized {what}")


def set_property(session, name, value):
    """Property of the program; it stays."""
    properties = session.scope.properties
    properties[_key(properties, name, "property")] = float(value)


def report_property(session, name):
    """Property of the program."""
    properties = session.scope.properties
    return properties[_key(properties, name, "property")]


def set_user_setting(session, name, value, keep=None):
    """User setting; put back at the end of the script unless kept."""
    options = session.options
    key = _key(options.user_settings, name, "user setting")
    options.user_settings[key] = float(value)
    if keep:
        options.kept_settings[key] = float(value)
    if key == "ShiftToTiltAxis":
        session.scope.shift_to_tilt_axis = bool(value)


def report_user_setting(session, name):
    """User setting."""
    settings = session.options.user_settings
    return settings[_key(settings, name, "user setting")]


def save_settings(session):
    """There is no settings file to save."""


COMMANDS = {
    "IsVariableDefined": is_variable_defined,
    "GetVariable": get_variable,
    "SetVariable": set_variable,
    "SetPersistentVar": set_persistent_var,
    "SetFloatVariable": set_float_variable,
    "ClearPersistentVars": clear_persistent_vars,
    "IsVersionAtLeast": is_version_at_least,
    "SetProperty": set_property,
    "ReportProperty": report_property,
    "SetUserSetting": set_user_setting,
    "ReportUserSetting": report_user_setting,
    "SaveSettings": save_settings,
}
