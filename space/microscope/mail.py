"""Mail to the address that is set in SerialEM."""

from __future__ import annotations

from space.microscope.sem import error_text, sem_errors, serialem


def send_mail(subject: str, text: str) -> str:
    """Have SerialEM send a message; return why it failed, empty if it did not."""
    sem = serialem()
    try:
        sem.MailSubject(_one_line(subject))
        sem.SendEmail(_one_line(text))
        return ""
    except sem_errors() as error:
        return error_text(error) or "SerialEM refused it"


def _one_line(text: str) -> str:
    """A command takes one line."""
    return " / ".join(line.strip() for line in text.splitlines() if line.strip()) or "-"
