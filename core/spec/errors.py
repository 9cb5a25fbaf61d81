"""Errors for the person who gave the input: a template and fields, worded in that person's language where they are shown."""

from __future__ import annotations

import errno
from typing import Any

from core.i18n import N_, Message


class InputError(ValueError):
    """Input from outside that is not accepted, as ``InputError("{path} is missing.", path=path)``: one sentence that says
    what is. ``str`` is English, ``message.localized()`` the reader's language. An OSError as a field shows its reason."""

    def __init__(self, template: str | Message, /, **fields: object) -> None:
        shown = {name: os_reason(value) if isinstance(value, OSError) else value for name, value in fields.items()}
        self.message = template if isinstance(template, Message) else Message(template, **shown)
        super().__init__(str(self.message))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message,)


def invalid_value(field: str | Message, value: object, accepted: Message) -> InputError:
    """The error for ``field = value``, cut short so that hostile input cannot flood a terminal or a page."""
    try:
        shown = " ".join(repr(value).split())
    except ValueError:  # Python does not print whole numbers of thousands of digits
        shown = "..."
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return InputError(
        "{field} = {value} is not accepted: give {accepted}.", field=field, value=shown, accepted=accepted
    )


def first_line(error: BaseException) -> str:
    """The first line of what ``error`` says, at most 200 characters of it: libraries write whole pages."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def os_reason(error: OSError) -> Message:
    """Why the system refused, without the path."""
    if isinstance(error, OperationError):
        return error.message
    known = _KNOWN.get(error.errno or 0)
    return Message(known) if known else Message.literal(error.strerror or type(error).__name__)


class OperationError(OSError):
    """Something that failed though nothing was wrong with the input, such as drawing a figure."""

    def __init__(self, template: str, /, **fields: object) -> None:
        self.message = Message(template, **fields)
        super().__init__(None, str(self.message))


# What the system says, so that it can be translated; worded as the C library does it.
_KNOWN = {
    errno.EACCES: N_("Permission denied"),
    errno.EPERM: N_("Operation not permitted"),
    errno.ENOENT: N_("No such file or directory"),
    errno.EEXIST: N_("File exists"),
    errno.ENOTDIR: N_("Not a directory"),
    errno.EISDIR: N_("Is a directory"),
    errno.EROFS: N_("Read-only file system"),
    errno.ENOSPC: N_("No space left on device"),
    errno.EDQUOT: N_("Disk quota exceeded"),
    errno.EIO: N_("Input/output error"),
    errno.EMFILE: N_("Too many open files"),
    errno.ENAMETOOLONG: N_("File name too long"),
    errno.ENOMEM: N_("Cannot allocate memory"),
    errno.ECONNREFUSED: N_("Connection refused"),
    errno.ETIMEDOUT: N_("Connection timed out"),
}
