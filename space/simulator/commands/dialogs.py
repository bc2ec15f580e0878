"""Dialogs, the log, status lines and the clock."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.formats.atomic import write_text_atomic
from space.simulator.program.policy import ask_text

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

COLOURS = 12
STATUS_LINES = 6
LOG_DIALOG = "Save log as"
DELAY_WARNING = "WARNING: a delay without a unit counts seconds up to 60, else milliseconds"


def yes_no_box(session: Session, text: str) -> float:
    """1 for Yes, 0 for No, by the policy."""
    return float(session.answer_yes_no(text))


def ok_box(session: Session, text: str) -> None:
    """A message that is acknowledged."""
    session.policy.answer("ok", text)  # the user may do something before
    session.note_dialog("ok", text, "ok")


def pause(session: Session, text: str | None = None) -> float:
    """Ask whether to proceed; No stops the script."""
    if not session.answer_yes_no(text or "Do you want to proceed with the script?", "pause"):
        raise SEMerror("Script suspended by the user")
    return 1.0


def _entered(session: Session, prompt: str, default: str) -> str:
    answer = ask_text(session, prompt, default)
    if answer is None:
        raise SEMerror("The dialog was cancelled by the user")
    return answer


def enter_string(session: Session, variable: str, prompt: str) -> None:
    """Set a variable to the text that the policy enters."""
    session.variables.set(variable, _entered(session, prompt, ""))


def enter_defaulted_number(session: Session, default: float, decimals: int, prompt: str) -> float:
    """Number that the policy enters, otherwise the default."""
    text = _entered(session, prompt, repr(default))
    try:
        number = float(text)
    except ValueError as error:
        raise SEMerror(f"{text!r} is not a number") from error
    return float(round(number)) if decimals < 0 else number


def enter_one_number(session: Session, prompt: str) -> float:
    """Number that the policy enters, otherwise 0."""
    return enter_defaulted_number(session, 0.0, 6, prompt)


def echo(session: Session, text: str | None = None) -> None:
    """Text in the log; line ends inside that are not CR-LF become two blanks."""
    session.write_log(re.sub(r"(?<!\r)\n", "  ", text or ""))


def echo_break_lines(session: Session, text: str | None = None) -> None:
    """Text in the log, broken at line ends and at backslash-n."""
    session.write_log((text or "").replace("\r\n", "\n").replace("\\n", "\n"))


def echo_replace_line(session: Session, text: str | None = None) -> None:
    """Text in place of the log's last line."""
    if len(session.log) > session.log_start:
        session.log.pop()
    echo(session, text)


def set_next_log_output_style(
    session: Session,
    style: int,
    red: int | None = None,
    green: int | None = None,
    blue: int | None = None,
) -> None:
    """Style of the next output; only a colour out of range is noticed.

    It is kept in `session.log_styles` under the number of the line that comes next.
    """
    if green is None and red is not None and not 0 <= red < COLOURS:
        session.write_log(f"WARNING: log colour {red} is out of range")
        return
    colours = tuple(value for value in (red, green, blue) if value is not None)
    session.log_styles[len(session.log)] = (style, *colours)


def _log_path(session: Session, name: str) -> Path:
    path = session.resolve(name)
    stem = path.name.rpartition(".")[0] or path.name
    candidate = path.with_name(f"{stem}.log")
    number = 0
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{stem}-{number}.log")
    return candidate


def _write_log_file(session: Session, path: Path) -> None:
    session.faults.check_disk(path)
    lines = session.log[session.log_start :]
    try:
        write_text_atomic(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise SEMerror(f"The log could not be saved: {error}") from error


def save_log(session: Session, mode: int | None = None, name: str | None = None) -> None:
    """Save the log to its file or to the named one."""
    if name:
        session.log_file = session.resolve(name)
    elif session.log_file is None:
        answer = ask_text(session, LOG_DIALOG, "SerialEM.log", "file")
        if answer is None:
            return
        session.log_file = session.resolve(answer)
    _write_log_file(session, session.log_file)


def save_log_open_new(session: Session, name: str | None = None) -> None:
    """Save the log and begin a new one, with a name at once in a file of its own.

    A log without a file is saved if the policy names one when asked.
    """
    if session.log_file is None and len(session.log) > session.log_start:
        answer = ask_text(session, LOG_DIALOG, "", "file")
        if answer is None:
            raise SEMerror("Saving the log was cancelled by the user")
        session.log_file = session.resolve(answer) if answer else None
    if session.log_file is not None:
        _write_log_file(session, session.log_file)
    _open_new_log(session)
    if name:
        session.log_file = _log_path(session, name)
        _write_log_file(session, session.log_file)


def _open_new_log(session: Session) -> None:
    session.log_start = len(session.log)
    session.log_file = None
    session.write_log(f"Opened new log {session.clock.date_time()}")


def close_log_open_new(session: Session, discard: int | None = None) -> None:
    """Save the log if it has a file and begin a new one."""
    if discard and session.log_file is None:
        _open_new_log(session)
    else:
        save_log_open_new(session)


def suppress_reports(session: Session, on: int | None = None) -> None:
    """What commands report is not printed in the log any more until the script ends; 0 restores."""
    session.options.suppress_reports = on is None or bool(on)


def set_status_line(session: Session, line: int, text: str) -> tuple[float, float] | None:
    """Show text in a status line; line 0 takes the first free one."""
    if not 0 <= line <= STATUS_LINES:
        raise SEMerror(f"Status line {line} is out of range")
    if line:
        session.status_lines[line - 1] = text
        return None
    for index, present in enumerate(session.status_lines):
        if not present:
            session.status_lines[index] = text
            return (float(index + 1), 0.0)
    return (0.0, 0.0)


def clear_status_line(session: Session, line: int) -> None:
    """Clear one line or, with 0, all."""
    if not 0 <= line <= STATUS_LINES:
        raise SEMerror(f"Status line {line} is out of range")
    for index in range(STATUS_LINES) if line == 0 else [line - 1]:
        session.status_lines[index] = ""


def program_time_stamps(
    session: Session, full: int | None = None, options: int | None = None
) -> None:
    """Print version and time; with a negative flag only the time."""
    version = (
        "" if full is not None and full < 0 else f"Simulated SerialEM {session.installation}, "
    )
    session.write_log(version + session.clock.date_time())


def delay(session: Session, amount: float, unit: str | None = None) -> None:
    """Wait; real time passes scaled."""
    name = (unit or "").lower()
    factors = {"s": 1.0, "sec": 1.0, "ms": 0.001, "msec": 0.001, "min": 60.0}
    if not name:
        factor = 0.001 if amount > 60 else 1.0
        if DELAY_WARNING not in session.log:
            session.write_log(DELAY_WARNING)
    elif name in factors:
        factor = factors[name]
    else:
        raise SEMerror(f"{unit!r} is not a unit of time")
    session.clock.wait(amount * factor)


def key_break(session: Session, key: str | None = None) -> float:
    """1 if the key (B) was pressed since the last test."""
    name = (key or "B")[0]
    if session.policy.respond is not None and session.policy.respond("key", name):
        session.keyboard.press(name)
    if session.keyboard.is_overdue(name):
        session.write_log(
            f"The script has been looking for key {name.upper()} for a while: answers press it "
            f'with keys = ["{name.lower()}"]'
        )
    return float(session.keyboard.test(name, session.policy))


def no_message_box_on_error(session: Session, on: int | None = None) -> None:
    """Errors give no message box, and those of tasks reach the script."""
    session.options.no_message_box = on is None or bool(on)


def start_try(session: Session, level: int | None = None) -> None:
    """Errors of commands give no message box until EndTry; those of tasks still do."""
    session.options.try_level += 1


def end_try(session: Session) -> None:
    """End what the last StartTry began."""
    if session.options.try_level == 0:
        raise SEMerror("EndTry without a StartTry before it")
    session.options.try_level -= 1


def reset_clock(session: Session) -> None:
    """Restart the elapsed time."""
    session.clock.reset()


def report_clock(session: Session) -> float:
    """Simulated seconds since the reset."""
    return session.clock.elapsed_s


def report_date_time(session: Session) -> tuple[float, float]:
    """Date as yyyymmdd and time as hhmm."""
    now = session.clock.now
    return (now.year * 10000.0 + now.month * 100 + now.day, now.hour * 100.0 + now.minute)


def do_nothing(session: Session, *args: str | float | None) -> None:
    """A command without effect in the simulator."""


COMMANDS: Commands = {
    "YesNoBox": yes_no_box,
    "OKBox": ok_box,
    "Pause": pause,
    "EnterString": enter_string,
    "EnterDefaultedNumber": enter_defaulted_number,
    "EnterOneNumber": enter_one_number,
    "Echo": echo,
    "EchoBreakLines": echo_break_lines,
    "EchoReplaceLine": echo_replace_line,
    "EchoNoLineEnd": echo,
    "SetNextLogOutputStyle": set_next_log_output_style,
    "SaveLog": save_log,
    "SaveLogOpenNew": save_log_open_new,
    "CloseLogOpenNew": close_log_open_new,
    "SuppressReports": suppress_reports,
    "SetStatusLine": set_status_line,
    "ClearStatusLine": clear_status_line,
    "HighlightStatusLine": do_nothing,
    "ProgramTimeStamps": program_time_stamps,
    "Delay": delay,
    "KeyBreak": key_break,
    "NoMessageBoxOnError": no_message_box_on_error,
    "StartTry": start_try,
    "EndTry": end_try,
    "ErrorsToLog": do_nothing,
    "DeferLogUpdates": do_nothing,
    "NoLineWrapInMessageBox": do_nothing,
    "Verbose": do_nothing,
    "ResetClock": reset_clock,
    "ReportClock": report_clock,
    "ReportDateTime": report_date_time,
}
