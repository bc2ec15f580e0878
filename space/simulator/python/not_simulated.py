"""Subjects of the commands that are not simulated, for the table in the documentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """Commands of one kind.

    Attributes
    ----------
    title : str
        What they are about.
    names : frozenset of str
        The commands; those that are simulated meanwhile do not matter.
    """

    title: str
    names: frozenset[str]


def _subject(title: str, names: str) -> Subject:
    return Subject(title, frozenset(names.split()))


OTHERS = "Other commands"

SUBJECTS = (
    _subject(
        "Scripts in SerialEM's own language, text and arrays (Python has its own)",
        """
        ArrayStatistics LinearFitToVars CompareNoCase CompareStrings StripEndingDigits
        TrimString FindSubstring SkipIfVersionLessThan FuncsTakeAllStringArgs
        LoadScriptPackAtEnd ReportNumExeFuncs Read2DTextFile SetCustomTime
        ReportCustomInterval WaitForMidnight
        """,
    ),
    _subject(
        "Scripts in the background, plugins and other programs",
        """
        RunBackgroundScript StopBackgroundScript SetBkgdScriptVar GetBkgdScriptVar
        WaitForBkgdScriptVar AllowTimeForBkgdScript CopyOtherScriptVar ListPluginCalls
        PluginAllDoubles PluginString PluginDoubleString RunInShell NextProcessArgs
        CreateProcess RunProcess PipeToNextProcess NextProcessPipeToVar
        ExternalToolArgPlace RunExternalTool RunGatanScript ExitProgramAtEnd
        ReportEnvironVar ReportSystemPath SetNextEmailAddress
        """,
    ),
    _subject(
        "Windows, graphs and display",
        """
        GraphValuesInArrays GraphPreStoredValues SetGraphAxisLabel SetGraphKeyLabel
        SetGraphTypes SetGraphColumns SetGraphSymbols SetGraphOptions ListISVectorsToGraph
        CloseAllGraphs GetLastTiltXYZToGraph SaveNextGraphAndExit SaveNextCtfplotterGraph
        IsFFTWindowOpen ToggleBufferDisplay CopyToZoomedOverview SetZoomedOverviewCenter
        ImposeToolbarColor ShowScopeControlPanel GetControlPanelState SetControlPanelState
        ShowMessageOnScope SetupScopeMessage OpenDialog OpenChooserInCurrentDir
        OpenImagingStateDialog ReportActiveViewTitle SetActiveViewByTitle
        DeferSettingsUpdate SetLDAddedBeamButton ThreeChoiceBox ManyChoiceBox
        EnterNameOpenFile ChooserForNewFile ChooserForTextFile UserOpenOldFile
        """,
    ),
    _subject(
        "The marker that a user sets by hand",
        """
        ImageMarkerPosition WaitForNewMarkerPoint NavGoToMarker MoveToMarker
        ReportLastMarkerShift
        """,
    ),
    _subject(
        "Frames, direct detectors and camera hardware",
        """
        OpenDECameraCover DeferStackingNextShot EarlyReturnNextShot GetDeferredSum
        FrameThresholdNextShot RetractCamera RetractCameras ReportCameraInserted
        OpenFrameSumFile GetFileInWatchedDir
        AlignWholeTSOnly WriteComForTSAlign
        SetProcessing SetDECamFrameRate ReportK2FileParams
        SetK2FileParams ReportFrameAliParams SetFrameAliParams SetFrameAli2 ReportFrameAli2
        SkipFrameAliParamCheck ReportK3CDSmode SetK3CDSmode SetDivideBy2 SetCameraProperty
        SetCameraPLAOffset UpdateHWDarkRef NewDEserverDarkRef GetDEServerProperty
        SetDEServerProperty ReportReadMode ReportDoseFracParams ReportMiscCameraParams
        ReportCameraSetArea
        GetAllCameraSetValues
        """,
    ),
    _subject(
        "Continuous pictures",
        """
        SetContinuous UseContinuousFrames StopContinuous ReportContinuous
        StartFrameWaitTimer WaitForNextFrame SetLiveSettleFraction
        """,
    ),
    _subject(
        "STEM",
        """
        SetSTEMDetectors TestSTEMshift QuickFlyback GetSTEMBrightContrast
        SetSTEMBrightContrast SetJeolSTEMflags SetupDynamicFocus StartFocusRamper
        FinishFocusRamp
        """,
    ),
    _subject(
        "Diffraction, free lenses, JEOL's own parts",
        """
        SetCamLenIndex ReportCameraLength SetDiffractionFocus ReportDiffractionShift
        SetDiffractionShift SetDiffractionStigmator ReportDiffractionStigmator ReportLens
        ReportCoil SetFreeLensControl SetLensWithFLC ReportLensFLCStatus SetLensByName
        SetCoilByName ReportXLensDeflector SetXLensDeflector ReportXLensFocus SetXLensFocus
        ReportXLensMode SetXLensMode ReportAlpha SetAlpha ReportJeolGIF SetJeolGIF
        SetParallelIllumination ReportBeamStopPosition SetBeamStopPosition
        ReportImageDistanceOffset SetImageDistanceOffset ReportC2ApSizeForScaling
        SetC2ApSizeForScaling ReportObjectiveStrength ReportColumnMode SelectPiezo
        ReportPiezoXY ReportPiezoZ MovePiezoXY MovePiezoZ SetEDMDutyPercent
        ReportEDMDutyPercent GetApertureSizes ReportConvergenceAngle
        """,
    ),
    _subject(
        "Beam, lenses and high tension",
        """
        SetMagAndIntensity ChangeMagAndIntensity IncMagIfFoundPixel SetImageBeamTilt
        ReportImageBeamTilt SetObjectiveStigmator ReportObjectiveStigmator
        SetCondenserStigmator ReportCondenserStigmator SetIntensityByLastTilt
        SetHighVoltage SetEnergyLoss ChangeEnergyLoss PhasePlateToNextPos
        ReportPhasePlatePos ConditionPhasePlate
        """,
    ),
    _subject(
        "Gun, vacuum, dewars, autoloader",
        """
        ReportFilamentCurrent SetFilamentCurrent ReportFEGEmissionState SetFEGEmissionState
        ReportFEGBeamCurrent RefrigerantLevel DewarsRemainingTime ManageDewarsAndPumps
        IsPVPRunning ReportVacuumGauge ReportVacuumStatus SimpleOriginStatus
        SetSimpleOriginActive QueryVibrationManager VibrationManagerRequest
        FindCartridgeWithID ReportLongOperations GetFastScopeStatus SkipUtapiService
        ReportUtapiServices
        """,
    ),
    _subject(
        "Stage: second axis, movements in the background",
        """
        SetStageBAxis ReportStageBAxis BackgroundTilt StopBackgroundTilt
        BackgroundMoveStage StopBackgroundStage TestRelaxingStage TiltDuringRecord
        SetTiltIncrement ReportLastAxisOffset
        """,
    ),
    _subject(
        "Focus, astigmatism, coma",
        """
        OppositeTrial OppositeFocus OppositeAutoFocus StepFocusNextShot SmoothFocusNextShot
        BeamTiltDirection AbsoluteFocusLimits ZemlinTableau CBAstigComa SetStandardFocus
        SetAbsoluteFocus CalEucentricFocus ReportAutofocusOffset SetAutofocusOffset
        SetObjFocus ReportFocus ReportAbsoluteFocus ReportCtplotterTuning
        CheckEucenByFocusCal
        """,
    ),
    _subject(
        "Calibrations",
        """
        SaveCalibrations ListAllCalibrations CalibrateImageShift ShiftCalSkipLensNorm
        CalibrateElectronDose CalibrateComaVsIS CalibrateHighFocusIS CalibrateHighFocusMag
        CheckStageToCamera FindPixelSize ReportRotationProblems SetDoseAdjustmentFactor
        """,
    ),
    _subject(
        "Images: measures and transformations",
        """
        QuadrantMeans CheckForBadStripe CircleFromPoints AutoCorrPeakVectors ConvertToBytes
        PasteImagesTogether ScaledSpectrum SpectrumBesideImage MeasureBeamPosition
        MeasureBeamEllipse ReportPercentileStats ComputeIceThickness StageToBufImageMatrix
        BufImageToStageMatrix TransformToOtherMag TransformToMatchBuffer
        ReportAlignTrimming
        """,
    ),
    _subject(
        "Alignment and image shift",
        """
        ConicalAlignTo AlignWithRotation AlignToTemplate ShiftImageForDrift
        ReportShiftDiffFrom ReportAccumShift ResetAccumShift ReportMaxImageShift
        """,
    ),
    _subject(
        "Tilt series, also with frames, and dose",
        """
        PreCookMontage QueueFrameTiltSeries FrameSeriesFromVar SetFrameSeriesParams
        WriteFrameSeriesAngles ReportFrameTiltSum ModifyFrameTSShifts ReplaceFrameTSFocus
        ReplaceFrameTSShifts GetDoseSymmetricAngles SetDoseSymmetricAngles
        SetTiltSeriesAtItem ReportTiltSeriesAtItem CookSpecimen WaitForDose
        ArePostActionsEnabled
        """,
    ),
    _subject(
        "Patterns of several Records",
        """
        TestNextMultiShot RotateMultiShotPattern AdjustMultiShotPattern SetMultishotParams
        ReportMultishotParams ReportMultishotVectors SetCustomHoleShifts
        SetCustomHoleDefocus SetRegularHoleVectors ReportLastHoleVectors
        UseMapItemHoleVectors UseNavGroupForMultishot NextMultiShotUseNavItem
        StepAndAdjustISVectors PrescanWithPreview OpenMultiShotFiles CloseMultiShotFiles
        ReportSmallestHoleShift SetItemImShiftTargets AdjustImShiftTargets
        """,
    ),
    _subject(
        "Holes and squares",
        """
        CombineHolesToMulti UndoHoleCombining GetFoundHolePositions FindAndCenterOneHole
        FindMultiMapHoles CenterHoleAtNavItem GetItemHolesToAcquire ReportNumHoleAcquire
        SetAutocontourGroups ReportAutocontourStats AssessPolygonMontage SetHelperParams
        """,
    ),
    _subject(
        "Montages",
        """
        SetupWaffleMontage ReportNumMontagePieces ReportMontagePiece ReadMontagePiece
        ReorderMontageByTilt SetGridMapLimits LoadPieceAtNavPoint
        """,
    ),
    _subject(
        "Navigator",
        """
        GetRealignToItemError NavItemFileToOpen SetNavItemUserValue ReportItemUserValue
        SkipMoveInNavAcquire SkipZMoveNextNavRealign SkipNavPointsNearEdge
        SuffixForExtraFile ItemForSuperCoord MakeAnchorMap AlignAndTransformItems
        ForceCenterRealign AddCirclePolygon FindItemWithLabelOrNote GetMapIndexes
        ReadNavAcqParamSet ListAdjustingTransforms
        """,
    ),
    _subject(
        "Several grids",
        """
        RealignReloadedGrid LoadAllGridMaps RefineGridMapAlignment ReportCurrentMulGridID
        SetMultiGridRefCounts
        """,
    ),
    _subject(
        "Low dose and imaging states",
        """
        SetLDContinuousUpdate GetLowDoseAreaParams GetAllLowDoseValues AlreadyInLowDoseArea
        FindLowDoseShiftOffset ReportLDShiftOffset SetLowDoseShiftOffset
        RevertAutoLDShiftOffset UpdateImagingState ListImagingState
        """,
    ),
    _subject(
        "Files and settings",
        """
        RetryReadOtherFile AddTitleToFile IsImageFileOpen ReportOpenImageFile
        ReportFileOptions SetFileOptions ReportFreeDiskSpace ReportSettingsFile
        LoadSettingsFile ReadBasicModeFile
        """,
    ),
    _subject("Film", "ManualFilmExposure ExposeFilm SpecialExposeFilm"),
)
