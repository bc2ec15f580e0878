#!Python
#ScriptName RecordMovies
# Movies at a few image shifts around the present place, each in its own folder and with what a
# processing pipeline wants to know about it in the mdoc beside the frames.
#   - the frame time follows from the dose wanted in each frame
#   - the movie's path is asked for after each Record; a copy of the list goes to a text file
#   - a movie that is not there after the Record ends the script

import os

import serialem as sem

# -------- settings
folder = "movies"
base = "pos"
dose_per_frame = 0.6          # e/A2
total_dose = 6.0              # e/A2
shifts_um = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5))
super_resolution = False      # K2 and K3 only

sem.SuppressReports()
sem.SetLowDoseMode(1)
sem.AllowFileOverwrite(1)
counting_camera = sem.ReportCameraProperty(0, "K2Type") > 0
sem.SetFolderForFrames(os.path.join(sem.ReportDirectory(), folder))
sem.SetUserSetting("SaveFrameStackMdoc", 1)
if counting_camera:
    sem.SetK2ReadMode("R", 2 if super_resolution else 1)
    sem.Echo("frames go to " + sem.ReportFrameSavingPath())

# dose rate from a short picture whose frames nobody needs
sem.SetDoseFracParams("R", 0)
sem.SetBinning("R", 4)
sem.SetExposure("R", 0.5)
sem.R()
dose, mag = sem.ImageConditions("A")
rate = dose / sem.ReportExposure("R")[0]
exposure = total_dose / rate
sem.SetExposure("R", exposure)
sem.SetFrameTime("R", exposure * dose_per_frame / total_dose)
sem.SetDoseFracParams("R", 1, 1, 0)

sem.SetFrameNameFormat(0, -1, 0x8 | 0x40)
sem.SetFrameBaseName(0, 1, 0, base)
sem.OpenFrameMdoc("session_frames.mdoc")
sem.OpenNewFile("sums.mrc")
sem.OpenTextFile("list", "W", 0, "movies.txt")
for number, (x, y) in enumerate(shifts_um, start=1):
    sem.ImageShiftByMicrons(x, y)
    sem.StartNextFrameStackMdoc("BeamShiftGroup", str(number))
    sem.AddToNextFrameStackMdoc("ShiftOnSpecimen", f"{x} {y}")
    sem.R()
    sem.S()
    path, where, name = sem.ReportLastFrameFile()
    if not sem.DoesFileExist(path):
        sem.Exit(1, f"{name} is not there")
    sem.AddToAutodoc("MovieName", name)
    sem.WriteAutodoc()
    sem.AddToFrameMdoc("MovieNumber", str(number))
    sem.WriteLineToFile("list", f"{name} {int(sem.ReportNumFramesSaved())}")
    sem.Echo(f"movie {number}: {name} in {where}")
    sem.ImageShiftByMicrons(-x, -y)
sem.CloseTextFile("list")
sem.CloseFrameMdoc()
sem.CloseFile()
