#!Python
# Parallel, dose-symmetric tilt series by image shift. Where each target will be at the next tilt
# is predicted from its place against the tilt axis, which is fitted to where it was found before;
# the first target is recorded first and tracks for the others.
#
# A worked example of what a demanding acquisition script asks of SerialEM, in the order of
# commands in which PACEtomo asks for it, so that a simulated session can be tried with it. It
# reads PACEtomo's targets files. On a real microscope use PACEtomo itself.
import copy
import glob
import math
import os

start_tilt = 0  # degrees
max_tilt = 60
step = 3
group_size = 2  # tilts on one side before the other side's turn
backlash = 3  # degrees by which tilts on the minus side go too far and come back
target_defocus = -4  # um
image_shift_limit = 20  # um
align_limit = 0.5  # um, for all but the tracking target
settling = 0.3  # s
pretilt = 0  # degrees, of the lamella; it rises with Y of the specimen when positive
rotation = 0  # degrees, from Y of the specimen to the direction in which the lamella rises
sort_by_tilt = True  # sections of the finished stacks

# What is not known before the first tilt, as standard deviations in um: how far the lamella is
# from the height found and from the axis, and how far each tilt throws the stage.
spread_z = 0.3
spread_y = 0.1
spread_throw = 0.05

import serialem as sem  # noqa: E402  (what stands above are the settings)

# --- small things ------------------------------------------------------------------------------


def log(text, style=0):
    """Message to SerialEM's log."""
    if sem.IsVersionAtLeast("40200", "20240205"):
        sem.SetNextLogOutputStyle(style, 0)
    sem.EchoBreakLines(text)


def save_settings(path):
    """Write down what stands above the import of serialem."""
    inside = False
    with open(path, "w", encoding="utf-8") as file:
        for name, value in list(globals().items()):
            if name == "sem":
                break
            if inside and isinstance(value, (int, float)):
                print(f"{name} = {value}", file=file)
            inside = inside or name == "SEMflush"


def read_targets(path):
    """Dictionaries of the targets, in the order of the file."""
    targets, current = [], None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.strip().partition(" = ")
            if key == "_tgt":
                current = {}
                targets.append(current)
            elif key.startswith("_"):
                current = None
            elif current is not None and value:
                current[key] = value
    return targets


def newest(path):
    """The newest run file that belongs to a targets file, or the targets file itself."""
    stem = os.path.splitext(path)[0]
    return max(glob.glob(stem + "_run??.txt"), default=path)


def next_run_file(path):
    """Name of the run file of this run."""
    stem = os.path.splitext(path)[0]
    return f"{stem}_run{len(glob.glob(stem + '_run??.txt')) + 1:02d}.txt"


def write_run_file(path, targets, states, section, position):
    """Targets and what was found for them so far, for a run that takes up from here."""
    with open(path + "~", "w", encoding="utf-8") as file:
        print(f"_spos = {section},{position}", file=file)
        for number, (target, branches) in enumerate(zip(targets, states), start=1):
            print(f"_tgt = {number:03d}", file=file)
            for key, value in target.items():
                print(f"{key} = {value}", file=file)
            for name, state in (("_pbr", branches[1]), ("_nbr", branches[-1])):
                print(f"{name} = {state.summary()}", file=file)
            print(file=file)
    os.replace(path + "~", path)


def dose_symmetric(start, highest, by, group):
    """Tilts with their branch: the start, then groups up, groups down in turn."""
    up = [start + k * by for k in range(1, int((highest - start) / by + 1e-6) + 1)]
    down = [start - k * by for k in range(1, int((highest + start) / by + 1e-6) + 1)]
    tilts = []
    while up or down:
        tilts += [(tilt, 1) for tilt in up[:group]] + [(tilt, -1) for tilt in down[:group]]
        up, down = up[group:], down[group:]
    return tilts


# --- where a target is at the next tilt --------------------------------------------------------


class Place:
    """Where a target is against the tilt axis.

    A point y0 from the axis and z0 above it is seen at y0 cos(tilt) - z0 sin(tilt).
    """

    def __init__(self, tilt, x, y):
        angle, turn = math.radians(tilt), math.radians(rotation)
        # The plane of the lamella at y0, solved for the y that is seen.
        rise = math.tan(math.radians(pretilt))
        along, across = -rise * math.sin(turn), rise * math.cos(turn)
        self.y0 = (y + along * x * math.sin(angle)) / (math.cos(angle) - across * math.sin(angle))
        self.z0 = along * x + across * self.y0
        self.prior = (self.y0, self.z0)
        self.steps = []

    def height(self, tilt):
        """Above the tilt axis, in um."""
        angle = math.radians(tilt)
        return self.y0 * math.sin(angle) + self.z0 * math.cos(angle)

    def movement(self, before, after):
        """Expected change of y, and of the focus, from one tilt to another."""
        cosine, sine = differences(before, after)
        return self.y0 * cosine - self.z0 * sine, -(self.z0 * cosine + self.y0 * sine)

    def moved(self, before, after, dy):
        """Take up how far the target moved from one tilt to another, and fit y0 and z0 again.

        Each step counts on its own, since each displaces the specimen anew.
        """
        self.steps.append((*differences(before, after), dy))
        # Least squares for the corrections of y0 and z0, held by what was known before.
        a, b, c = (spread_throw / spread_y) ** 2, 0.0, (spread_throw / spread_z) ** 2
        p = q = 0.0
        for cosine, sine, dy in self.steps:
            rest = dy - self.prior[0] * cosine + self.prior[1] * sine
            a, b, c = a + cosine * cosine, b - cosine * sine, c + sine * sine
            p, q = p + cosine * rest, q - sine * rest
        self.y0 = self.prior[0] + (p * c - q * b) / (a * c - b * b)
        self.z0 = self.prior[1] + (q * a - p * b) / (a * c - b * b)


def differences(before, after):
    """Change of cosine and sine from one tilt to another."""
    old, new = math.radians(before), math.radians(after)
    return math.cos(new) - math.cos(old), math.sin(new) - math.sin(old)


class Branch:
    """What was seen last of one target on one side of the start tilt."""

    def __init__(self, place, tilt, shift, image_shift, focus):
        self.place = place
        self.tilt = tilt
        self.shift = shift  # specimen um at which the target was found
        self.image_shift = image_shift  # the same in units
        self.focus = focus
        self.carried = (0.0, 0.0)  # um by which the last picture missed, as if at zero tilt
        self.section = 0
        self.dose = 0.0

    def summary(self):
        """One line for the run file."""
        place = self.place
        values = (self.section, *self.shift, self.focus, place.y0, place.z0, *self.image_shift)
        return ",".join(f"{value:.5g}" for value in (*values, self.dose))


# --- finished stacks ---------------------------------------------------------------------------


def sort_stack(path):
    """Bring sections, extended header and mdoc of a stack into the order of tilts."""
    import mrcfile
    import numpy as np

    with open(path + ".mdoc", encoding="utf-8") as file:
        blocks = file.read().split("[ZValue = ")
    head, sections = blocks[0], [block.partition("]")[2] for block in blocks[1:]]
    tilts = []
    for section in sections:
        line = next(line for line in section.splitlines() if line.startswith("TiltAngle"))
        tilts.append(float(line.partition("=")[2]))
    order = sorted(range(len(tilts)), key=tilts.__getitem__)
    with mrcfile.open(path, mode="r+") as stack:
        data = stack.data if stack.data.ndim == 3 else stack.data[None]
        stack.set_data(np.ascontiguousarray(data[order]))
        size = int(np.frombuffer(stack.header.tobytes(), "<i2", 1, 128)[0])
        raw = stack.extended_header.tobytes()
        rows = [raw[k * size : (k + 1) * size] for k in range(len(order))]
        raw = b"".join(rows[k] for k in order) + raw[len(order) * size :]
        stack.set_extended_header(np.frombuffer(raw, dtype="V1"))
    os.replace(path + ".mdoc", os.path.splitext(path)[0] + "_unsorted.mrc.mdoc")
    with open(path + ".mdoc", "w", encoding="utf-8", newline="\r\n") as file:
        lines = head.rstrip().splitlines()
        for k, section in enumerate(order):
            lines += ["", f"[ZValue = {k}]", *sections[section].strip().splitlines()]
        for line in lines:
            print(line, file=file)


# --- startup -----------------------------------------------------------------------------------

if not sem.IsVersionAtLeast("40200", "20240814"):
    if not sem.IsVariableDefined("old_version_accepted"):
        sem.YesNoBox("This version of SerialEM is older than the script. Go on?")
        sem.SetPersistentVar("old_version_accepted", "1")
sem.SetProperty("ImageShiftLimit", image_shift_limit)
if max_tilt > sem.ReportProperty("MaximumTiltAngle"):
    sem.Pause("The stage does not tilt that far. Go on?")
sem.SetUserSetting("DriftProtection", 1)
sem.SetUserSetting("ShiftToTiltAxis", 1)
sem.SetNewFileType(0)
sem.SetFrameBaseName(0, 1, 0, "tilt_series_setup")
if sem.ReportAxisPosition("F")[0] != 0:
    sem.Pause("The Focus area is not where Record is. Go on?")
if sem.ReportTiltAxisOffset()[0] == 0:
    sem.Pause("No tilt axis offset was set. Go on?")
sem.SaveSettings()
sem.SaveNavigator()
sem.SuppressReports()
sem.ReportComaVsISmatrix()
sem.ReportNavItem()
item = int(sem.GetVariable("navIndex"))
note = sem.GetVariable("navNote")
folder = sem.ReportDirectory()
if sem.ReportCameraProperty(0, "K2Type") > 0:
    if sem.ReportFrameSavingPath() == "NONE":
        sem.Pause("No folder for frames is defined. Go on?")
root = note.partition("_tgts")[0]
sem.SaveLogOpenNew(root)
log(f"Tilt series of {note}", 1)
sem.ProgramTimeStamps()
targets_file = os.path.join(folder, note)
save_settings(os.path.splitext(targets_file)[0] + "_settings.txt")
targets = [t for t in read_targets(newest(targets_file)) if t.get("skip", "False") != "True"]
run_file = next_run_file(targets_file)
sem.ResetClock()
sem.SetTargetDefocus(target_defocus)
exposure, _ = sem.ReportExposure("R")
log(f"{len(targets)} targets, exposures of {exposure:g} s")

# --- realign -----------------------------------------------------------------------------------


def align_preview(name):
    """Align a Preview to the one with which a target was chosen; what was off in nm."""
    sem.ReadOtherFile(0, "O", name)
    sem.L()
    sem.AlignTo("O", 0, 0, 0, 0)
    return sem.ReportAlignShift()[4:6]


sem.SetCameraArea("V", "F")
sem.MoveToNavItem(item)
sem.Eucentricity(1)
sem.UpdateItemZ()
sem.RestoreCameraSet("V")
sem.MoveStageTo(float(targets[0]["stageX"]), float(targets[0]["stageY"]))
if "viewfile" in targets[0]:
    sem.ReadOtherFile(0, "O", targets[0]["viewfile"])
    sem.V()
    sem.AlignTo("O", 0, 0, 0, 0)
    x, y = sem.ReportAlignShift()[4:6]
    log(f"View was off by {x:.0f}, {y:.0f} nm")
x, y = align_preview(targets[0]["tgtfile"])
log(f"Preview was off by {x:.0f}, {y:.0f} nm")

# --- start tilt --------------------------------------------------------------------------------

sem.V()
sem.Copy("A", "O")
while abs(sem.ReportTiltAngle() - start_tilt) > 10:
    tilt = sem.ReportTiltAngle()
    sem.TiltTo(tilt + math.copysign(10, start_tilt - tilt))
    sem.V()
    sem.AlignTo("O", 0, 0, 0, 0)
    sem.V()
    sem.Copy("A", "O")
sem.TiltTo(start_tilt - step)
sem.TiltTo(start_tilt)
sem.V()
sem.AlignTo("O", 0, 0, 0, 0)
sem.GoToLowDoseArea("R")
sem.LoadOtherMap(item, "O")
sem.AcquireToMatchBuffer("O")
sem.AlignTo("O", 0, 0, 0, 0)
is_x0, is_y0, *_ = sem.ReportImageShift()
sem.ReportSpecimenShift()
sem.G()
focus0 = sem.ReportDefocus()
sem.GoToLowDoseArea("R")
stage_to_specimen = sem.StageToSpecimenMatrix(0)
is_to_specimen = sem.ISToSpecimenMatrix(0)
specimen_to_is = sem.SpecimenToISMatrix(0)
camera = sem.CameraProperties()
camera_to_specimen = sem.CameraToSpecimenMatrix(0)
sem.SpecimenToCameraMatrix(0)
sem.SetDefocus(min(focus0, focus0 - 5 - target_defocus))
log(f"Camera of {camera[0]:.0f} x {camera[1]:.0f} pixels, focus at {focus0:.2f} um")

# --- each target -------------------------------------------------------------------------------

scale = math.cos(math.radians(start_tilt))
states = []  # for each target, its branches by sign
for number, target in enumerate(targets, start=1):
    if sem.ImageShiftByMicrons(float(target["SSX"]), float(target["SSY"]) * scale) != 0:
        log(f"Target {number} is beyond the image-shift limit", 1)
    if "tgtfile" in target:
        x, y = align_preview(target["tgtfile"])
        log(f"Target {number} was off by {x:.0f}, {y:.0f} nm")
    elif "viewfile" in target:
        sem.ReadOtherFile(0, "O", target["viewfile"])
        sem.GoToLowDoseArea("R")
        offset = sem.ReportLDDefocusOffset("V")
        sem.ChangeFocus(offset)
        sem.L()
        sem.AlignBetweenMags("O", -1, -1, -1)
        sem.ReportAlignShift()
        sem.ChangeFocus(-offset)
    sem.GoToLowDoseArea("R")
    image_shift = sem.ReportImageShift()[:2]
    shift = sem.ReportSpecimenShift()
    place = Place(start_tilt, *shift[:2])
    # The focus was found at the first target; that of the others follows from where they are.
    first = states[0][1].place if states else place
    focus = focus0 - (place.height(start_tilt) - first.height(start_tilt))
    state = Branch(place, start_tilt, shift, image_shift, focus)
    states.append({1: state, -1: copy.copy(state)})
    sem.SetImageShift(is_x0, is_y0)

# --- tilt loop ---------------------------------------------------------------------------------


def open_stack(target, state, first):
    """Make the target's stack the current file and load what its Record is aligned to."""
    stack = target["tsfile"]
    if first:
        if os.path.exists(os.path.join(folder, stack)):
            while sem.ReportFileNumber() > 0:
                sem.CloseFile()
            os.replace(os.path.join(folder, stack), os.path.join(folder, stack + "~"))
        sem.OpenNewFile(stack)
        if "tgtfile" in target:
            sem.ReadOtherFile(0, "O", target["tgtfile"])
        return
    sem.NoMessageBoxOnError(1)
    sem.OpenOldFile(stack)
    sem.NoMessageBoxOnError(0)
    sem.ReadFile(state.section, "O")


def get_ready(number, name):
    """Valve, frames and beam tilt before a Record."""
    while sem.AreDewarsFilling() >= 1:
        sem.Delay(60, "s")
    if sem.ReportColumnOrGunValve() == 0:
        sem.SetColumnOrGunValve(1)
    sem.SetFrameNameFormat(0, 0, 0x40)
    sem.SetFrameNameFormat(0, 1, 0x400)
    sem.SetFrameBaseName(0, 1, 0, f"{root}_{name}_{number:03d}")
    sem.AdjustBeamTiltforIS()
    sem.Delay(settling, "s")


def fitted_defocus():
    """Defocus of the Record in A; 1 when Ctfplotter could not fit it."""
    sem.NoMessageBoxOnError(1)
    try:
        values = sem.Ctfplotter("A", target_defocus + 3, target_defocus - 5, 1, 0, pretilt)
    except sem.SEMerror:
        values = (1.0, 1.0)
    sem.NoMessageBoxOnError(0)
    return values[0]


def record(number, target, state, tilt, real_tilt, thrown, first):
    """Record one target at one tilt, see how far it was off, and write that down.

    `thrown` is by how much (um) the tracking target was not where it was expected at this tilt.
    Returns the same for this target.
    """
    sem.SetStatusLine(2, f"Target {number}")
    open_stack(target, state, first)
    sem.AreaForCumulRecordDose(number)
    across, focus = state.place.movement(state.tilt, real_tilt)
    sem.SetDefocus(state.focus + focus)
    sem.SetImageShift(*state.image_shift)
    a, b, c, d = specimen_to_is
    sem.ImageShiftByMicrons(thrown[0], across + thrown[1])
    before = (state.shift[0] + thrown[0], state.shift[1] + across + thrown[1])
    get_ready(number, "ts")
    sem.R()
    sem.S()
    if number > 1:
        sem.LimitNextAutoAlign(align_limit)
    sem.AlignTo("O", 0, 0, 0, 0)
    sem.ReportISforBufferShift()
    # The picture that this one is aligned to may have been off the target itself.
    cosine = math.cos(math.radians(real_tilt))
    x, y = state.carried[0], state.carried[1] * cosine
    sem.ImageShiftByUnits(a * x + b * y, c * x + d * y)
    sem.RestoreBeamTilt()
    state.image_shift = sem.ReportImageShift()[:2]
    shift = sem.ReportSpecimenShift()
    off = (shift[0] - before[0], shift[1] - before[1])
    state.carried = (off[0], off[1] / cosine)
    if not first:
        state.place.moved(state.tilt, real_tilt, shift[1] - state.shift[1])
    state.tilt, state.shift, state.focus = real_tilt, shift, state.focus + focus
    dose = sem.ImageConditions("A")[0]
    if dose > 0:
        sem.AccumulateRecordDose(dose)
        state.dose += dose
    defocus = fitted_defocus()
    state.section = int(sem.ReportFileZsize()) - 1
    sem.ReportClock()
    sem.AddToAutodoc("CtfDefocus", f"{defocus:.3f}")
    sem.AddToAutodoc("FoundAtShift", f"{shift[0]:.4f} {shift[1]:.4f}")
    sem.AddToAutodoc("WasOffBy", f"{off[0]:.4f} {off[1]:.4f}")
    sem.WriteAutodoc()
    sem.CloseFile()
    log(f"[{number}] {tilt:6.1f} deg: off by {1e3 * math.hypot(*off):.0f} nm, {defocus:.2f} um")
    return thrown[0] + off[0], thrown[1] + off[1]


lost = set()
schedule = [(start_tilt, 0), *dose_symmetric(start_tilt, max_tilt, step, group_size)]
for count, (tilt, sign) in enumerate(schedule):
    sem.SetStatusLine(1, f"Tilt {count + 1} of {len(schedule)}: {tilt:.1f} degrees")
    if sign != 0:
        sem.TiltTo(tilt)
    if sign < 0:
        sem.TiltBy(-backlash)
        sem.TiltTo(tilt)
    sem.Delay(settling, "s")
    real_tilt = sem.ReportTiltAngle()
    thrown = (0.0, 0.0)
    for number, (target, branches) in enumerate(zip(targets, states), start=1):
        state = branches[sign or 1]
        off = record(number, target, state, tilt, real_tilt, thrown, sign == 0)
        if number == 1:
            thrown = off
        if sign == 0:
            branches[-1] = copy.copy(state)
        write_run_file(run_file, targets, states, count, number)

# --- end ---------------------------------------------------------------------------------------

sem.ClearStatusLine(0)
sem.TiltTo(0)
sem.SetDefocus(focus0)
sem.SetImageShift(0, 0)
sem.CloseFile()
if sort_by_tilt:
    for target in targets:
        sort_stack(os.path.join(folder, target["tsfile"]))
log(f"Tilt series of {len(targets)} targets done after {sem.ReportClock() / 60:.0f} minutes")
sem.SaveLog()
