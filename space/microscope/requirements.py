"""What SPACEtomo needs from SerialEM: its version, and the commands that it uses."""

from __future__ import annotations

from space.errors import SpaceError
from space.microscope.sem import serialem

LOWEST_VERSION = (40200, 20240814)
"""SerialEM 4.2 of this build, which PACEtomo needs, too."""

LOWEST_IN_WORDS = "4.2 as built on 14 August 2024"

COMMANDS = tuple(
    """
    AddImagePosAsNavPoint AddStagePosAsNavPoint AddToAutodoc AdjustStagePosForNav AlignTo
    AllowFileOverwrite AreDewarsFilling bufferImage CameraProperties CameraToSpecimenMatrix
    ChangeItemColor ChangeItemLabel ChangeItemNote CloseFile CloseNavigator Delay
    DeleteNavigatorItem DoesFileExist EchoBreakLines EndAcquireAtItems Eucentricity Exit G
    GetVariable
    GoToImagingState GoToLowDoseArea ImageProperties ImageShiftByMicrons IsVariableDefined
    IsVersionAtLeast KeyBreak L LoadCartridge LoadOtherMap M
    MailSubject MoveStageTo MoveToNavItem
    NavAcqAtEndUseParams NavIndexWithNote NewMap NoMessageBoxOnError OpenNavigator OpenNewFile
    OpenNewMontage OpenOldFile ParamSetToUseForMontage R ReadFile ReadNavFile ReadOtherFile
    ReportApertureSize ReportAutoFocus ReportAxisPosition ReportCameraProperty
    ReportColumnOrGunValve
    ReportDefocus ReportDirectory ReportFileNumber ReportFrameSavingPath ReportIfNavAcquiring
    ReportIfNavOpen ReportIlluminatedArea ReportImageShift ReportItemAcquire
    ReportLDDefocusOffset ReportLowDose ReportMag ReportMagIndex ReportMeanCounts ReportNavFile
    ReportNavItem ReportNumNavAcquire ReportNumTableItems ReportOtherItem ReportProperty
    ReportSlotStatus ReportStageXYZ ReportTiltAngle ReportTiltAxisOffset ReportUserSetting
    ResetImageShift RunScriptAfterNavAcquire S SaveLog SaveLogOpenNew SaveNavigator SendEmail
    SetApertureSize
    SetColumnOrGunValve SetDefocus SetDirectory SetImageShift SetItemAcquire SetMag SetMagIndex
    SetMontageParams SetMontPanelParams SetNavAcqAtEndParams SetNewFileType SetPersistentVar
    SetProperty SetRedoMontageXCorrs SetupFullMontage SetUserSetting SetVariable ShiftItemsByMicrons
    StageToSpecimenMatrix StartNavAcquireAtEnd SuppressReports TiltTo UpdateItemZ V YesNoBox
    """.split()
)
"""Everything of the module `serialem` that is used; held to the code by a test."""


def check_program() -> None:
    """Raise an error if this SerialEM cannot do what a session will ask of it.

    Moves nothing. Both the version and the names are checked: the module is a file of its own,
    which may have been left behind by an older SerialEM.

    Raises
    ------
    SpaceError
        With all that is missing.
    """
    sem = serialem()
    missing = [name for name in COMMANDS if not hasattr(sem, name)]
    problems = []
    if "IsVersionAtLeast" not in missing and not sem.IsVersionAtLeast(
        *(str(number) for number in LOWEST_VERSION)
    ):
        problems.append(f"This SerialEM is older than {LOWEST_IN_WORDS}.")
    if missing:
        problems.append(f"Its Python module lacks what SPACEtomo uses: {', '.join(missing)}.")
    if problems:
        raise SpaceError(
            " ".join(problems),
            "SerialEM",
            "Nothing was moved. Install SerialEM 4.2 or newer. If Help > About SerialEM shows such "
            "a version, PythonModulePath in SerialEMproperties.txt names the modules of an older "
            "one: correct it and start SerialEM again.",
        )
