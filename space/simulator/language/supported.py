"""Which statements, operators and functions of SerialEM's own language can be used.

The tables of the documentation are made of these.
"""

from __future__ import annotations

from dataclasses import dataclass

from space.simulator.python.argkeys import command_table


@dataclass(frozen=True)
class Form:
    """A statement of the language.

    Attributes
    ----------
    form : str
        How it is written.
    meaning : str
        What it does.
    least : int
        Words that it needs behind its name.
    takes_text : bool
        Whether all that stands behind its name is text.
    """

    form: str
    meaning: str
    least: int = 0
    takes_text: bool = False


BLOCKS = (
    Form("If condition … ElseIf condition … Else … EndIf", "The first branch that holds."),
    Form(
        "Loop number [variable] … EndLoop",
        "Repeats; the variable counts from 1, must be new and ends with the loop.",
    ),
    Form("Try … Catch … EndTry", "After an error in the first part, the second one is run."),
    Form(
        "Function name [number] [0/1 text] [variables] … EndFunction",
        "Is run by CallFunction; the values are in the variables and in argVal1, argVal2, …",
    ),
)

ASSIGNMENTS = (
    Form("name = value", "A number, a word, or what arithmetic gives."),
    Form("name := value", "The same; the variable outlives the script."),
    Form("name @= text", "Text to the end of the line, without arithmetic (`:@=`: persistent)."),
    Form("name += value", "Adds to the variable; so do `-=`, `*=` and `/=`."),
    Form("name = { value value … }", "An array; braces within the braces make rows."),
    Form("name[index] = value", "An element, or a new one right behind the last."),
)

SUBSTITUTIONS = (
    Form("$name", "The value; the name is the longest one that is defined."),
    Form("${name}", "The same where letters follow."),
    Form("$name[index]", "An element, counted from 1; `$name[row][column]` in two dimensions."),
    Form("$#name", "How many elements the array has."),
    Form("$reportedValue1, $repVal1", "What the last command that reports has reported; up to 6."),
)

_DECLARATION = "No effect while the script runs."
OWN_COMMANDS = {
    "ScriptName": Form("ScriptName name", "Name by which other scripts call this one.", 1, True),
    "MacroName": Form("MacroName name", "The same.", 1, True),
    "LongName": Form("LongName name", _DECLARATION, 1, True),
    "ReadOnlyUnlessAdmin": Form("ReadOnlyUnlessAdmin", _DECLARATION),
    "Break": Form("Break", "Leaves the loop."),
    "Continue": Form("Continue", "Goes on with the next round of the loop."),
    "KeyBreak": Form("KeyBreak [key]", "Leaves the loop when the key (B) has been pressed."),
    "SkipTo": Form("SkipTo label", "Goes on behind a line `label:` further down.", 1),
    "Return": Form("Return [values]", "Ends the function or script; the caller continues."),
    "Repeat": Form("Repeat", "Runs the script again from its first line."),
    "DoScript": Form("DoScript number", "Ends this script and runs another one.", 1),
    "DoMacro": Form("DoMacro number", "The same.", 1),
    "CallFunction": Form(
        "CallFunction [script::]name values", "Runs a function of this or of another script.", 1
    ),
    "LocalVar": Form("LocalVar names", "Variables that callers and called ones do not see.", 1),
    "LocalLoopIndexes": Form("LocalLoopIndexes", "From here on, so are the variables of loops."),
    "EchoEval": Form("EchoEval text", "Writes a line to the log, with its arithmetic done."),
    "Throw": Form("Throw [text]", "Raises an error.", 0, True),
}
"""Statements besides blocks and assignments that are the language's own, not the program's."""

ONE_VALUE = {
    "SQRT": "square root",
    "ABS": "absolute value",
    "NEARINT": "nearest integer",
    "FLOOR": "next integer below",
    "CEILING": "next integer above",
    "SIN": "sine of degrees",
    "COS": "cosine of degrees",
    "TAN": "tangent of degrees",
    "ATAN": "arc tangent in degrees",
    "LOG": "natural logarithm",
    "LOG10": "logarithm to the base 10",
    "EXP": "power of e",
}
TWO_VALUES = {
    "ATAN2": "direction of (x, y) given as y x, in degrees",
    "MODULO": "remainder of two integers, with the sign of the first",
    "MIN": "smaller one",
    "MAX": "larger one",
    "POWER": "first to the power of the second",
    "DIFFABS": "absolute difference",
    "FRACDIFF": "absolute difference over the larger absolute value",
}

PYTHON_ONLY = frozenset(
    {
        "SetVariable",
        "SetPersistentVar",
        "GetVariable",
        "SetFloatVariable",
        "PluginAllDoubles",
        "PluginString",
        "PluginDoubleString",
        "StartTry",
        "EndTry",
    }
)
"""Commands of the table that the language itself lacks."""

TEXT_COMMANDS = frozenset(
    """
    AddTitleToFile AddToAutodoc AddToFrameMdoc AddToNextFrameStackMdoc Call ChangeItemLabel
    ChangeItemNote CompareNoCase CompareStrings DoesFileExist Echo EchoBreakLines EchoNoLineEnd
    EchoReplaceLine EnterDefaultedNumber EnterOneNumber EnterString ErrorBoxSendEmail Exit
    IsDirectoryWritable IsTextFileOpen LoadSettingsFile MailSubject MakeDirectory MergeNavFile
    NavIndexWithLabel NavIndexWithNote NewMap OKBox OpenFrameMdoc OpenNavigator OpenNewFile
    OpenNewMontage OpenOldFile OpenTextFile Pause Read2DTextFile ReadNavFile ReadOtherFile
    ReadStringsFromFile ReadTextFile RemoveFile RunInShell SaveLog SaveLogOpenNew SaveNavigator
    SendEmail SetDirectory SetFolderForFrames SetFrameBaseName SetStatusLine SetupFullMontage
    SetupPolygonMontage SnapshotToFile StartNextFrameStackMdoc UserSetDirectory WriteLineToFile
    YesNoBox
    """.split()
)
"""Commands whose last argument is text that goes to the end of the line."""


def canonical_names() -> dict[str, str]:
    """Name in upper case → name, of the language's own commands and of those of the program."""
    names = {name.upper(): name for name in command_table() if name not in PYTHON_ONLY}
    return names | {name.upper(): name for name in OWN_COMMANDS}


def words_before_text(name: str) -> int | None:
    """How many words stand in front of the text of a command; None when it takes no text."""
    if name in OWN_COMMANDS:
        return 0 if OWN_COMMANDS[name].takes_text else None
    return len(command_table()[name].keys) - 1 if name in TEXT_COMMANDS else None
