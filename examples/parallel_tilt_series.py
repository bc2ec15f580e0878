#!Python
# A stand-in for PACEtomo, for simulated sessions only: parallel tilt series by image shift.
# On a real microscope use PACEtomo itself; this script knows just enough of its targets file to
# take a dose-symmetric series at every target, tracking on the first one.
import glob
import math
import os

import serialem as sem

max_tilt = 60  # degrees
step = 3  # degrees
startTilt = 0  # degrees
minTilt = None  # degrees; None: -max_tilt
maxTilt = None  # degrees; None: max_tilt
defocus = -4  # um
binning = 0  # of the pictures of the series; 0: as Record is set up
most_drift = 2  # nm/s; a series is not begun with more
track_limit = 0.25  # um; a tracking shift beyond this is not believed
most_off_plane = 0.5  # um; a height farther off the plane of all is not believed
least_span = 1  # um; geometry points nearer to a line than this tell no plane
pretilt = 0  # degrees, of the lamella; as PACEtomo counts it
rotation = 0  # degrees, of the milling direction from the perpendicular of the tilt axis
measureGeo = False  # measure these two at the geometry points of the targets file

# ---------------------------------------------------------------------------------------------


def newest(path):
    """The newest run file of a targets file, which stands for it, or the targets file itself."""
    stem = os.path.splitext(path)[0]
    return max(glob.glob(glob.escape(stem) + "_run??.txt"), default=path)


def read_targets(path):
    """Targets and geometry points of a targets file or run file, as PACEtomo reads them.

    Lines are split at single spaces; the first field is the key, the third the value. Settings
    in the file replace those above. What cannot be used ends the script, with the line.
    """
    targets, points, block, kind = [], [], None, ""
    with open(path, encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            fields = line.rstrip("\n").split(" ")
            key = fields[0]
            if not key:
                continue
            try:
                if key in ("_set", "_bset"):
                    change_setting(*fields)
                elif key == "_spos":  # where a run was cut off; this script begins anew
                    _, _ = (int(part) for part in fields[2].split(","))
                elif key in ("_tgt", "_geo"):
                    block, kind = {}, key
                    (targets if key == "_tgt" else points).append(block)
                elif key in ("_pbr", "_nbr") and kind in ("_tgt", "_pbr", "_nbr"):
                    block, kind = {}, key  # what that run had found
                else:
                    block[key] = usable(key, fields[2], kind)
            except (IndexError, TypeError, ValueError):
                raise ValueError(f"{path}, line {number} cannot be used: {line!r}") from None
    if points and not targets:
        raise ValueError(f"{path}: there is no target")
    for target in targets:
        if "tsfile" not in target:
            raise ValueError(f"{path}: a target has no tsfile")
    for point in targets + points:
        complete(point, targets[0], path)
    return targets, points


def usable(key, value, kind):
    """The value of a key, as a number where it is a place."""
    if kind in ("_tgt", "_geo") and key in ("SSX", "SSY", "stageX", "stageY"):
        return finite(value)
    if not value and key in ("tsfile", "viewfile", "tgtfile"):
        raise ValueError(key)
    return value


def change_setting(word, name, _, value):
    """`_set NAME = NUMBER` or `_bset NAME = WORD`."""
    if not name:
        raise ValueError(name)
    value = finite(value) if word == "_set" else value.lower() in ("true", "yes", "y", "on")
    if name in globals():
        globals()[name] = value
    else:
        sem.Echo(f"WARNING: There is no setting {name}")


def finite(text):
    """A number that is one."""
    if not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def complete(point, first, path):
    """Give a target or point its shift, from the stage positions if it has none."""
    shifts = [axis for axis in ("SSX", "SSY") if axis in point]
    stage = "stageX" in point and "stageY" in point
    if len(shifts) == 1 or not (shifts or stage) or (point is first and not stage):
        raise ValueError(f"{path}: a target or point has no place")
    if not shifts:
        x, y = (point[axis] - first[axis] for axis in ("stageX", "stageY"))
        a, b, c, d = sem.StageToSpecimenMatrix(0)
        point["SSX"], point["SSY"] = a * x + b * y, c * x + d * y


def dose_symmetric(lowest, start, highest, by):
    """The start, then +1, -1, -2, +2, +3, -3 ... times the step from it, within the range."""
    tilts, sign = [float(start)], 1
    for k in range(1, int(max(highest - start, start - lowest) / by + 1e-9) + 1):
        around = (start + sign * k * by, start - sign * k * by)
        tilts += [tilt for tilt in around if lowest - 1e-9 <= tilt <= highest + 1e-9]
        sign = -sign
    return tilts


def reported(command):
    """What the microscope reports, None if it has no such thing."""
    try:
        return command()
    except sem.SEMerror:
        return None


def undisturbed():
    """Wait while dewars are being filled and open valves that are closed; whether they were."""
    for _ in range(120):
        if not reported(sem.AreDewarsFilling):
            break
        sem.Delay(60, "s")
    closed = reported(sem.ReportColumnOrGunValve) == 0
    if closed:
        sem.Echo("The column valves are opened again")
        sem.SetColumnOrGunValve(1)
    return closed


def picture(take_one):
    """A picture; another one if the valves closed under it."""
    undisturbed()
    take_one()
    if undisturbed():
        take_one()


def drift():
    """Drift in nm/s, from two View pictures, which cost hardly any dose."""
    picture(sem.V)
    sem.Copy("A", "P")
    began = sem.ReportClock()
    sem.Delay(5, "s")
    picture(sem.V)
    sem.AlignTo("P", 1, 0, 0, 0)
    x, y = sem.ReportAlignShift()[4:6]
    return math.hypot(x, y) / (sem.ReportClock() - began)


def come_to_rest():
    """Wait until the specimen drifts no more; whether that was needed."""
    for attempt in range(10):
        try:
            rate = drift()
        except sem.SEMerror:
            sem.Echo("The drift cannot be measured; going on without")
            return False
        if rate <= most_drift:
            return attempt > 0
        sem.Echo(f"The specimen drifts by {rate:.1f} nm/s: waiting for a minute")
        sem.Delay(60, "s")
    sem.Echo("WARNING: The specimen still drifts; the series is taken nevertheless")
    return True


def focus():
    """Autofocus at the target."""
    sem.SetTargetDefocus(defocus)
    picture(sem.G)
    if sem.ReportAutoFocus()[1] != 0:
        sem.Echo("WARNING: Autofocus failed; the series is taken with the focus as it was")


def measure_geometry(points):
    """Pretilt and rotation of the lamella in degrees from its heights at the geometry points.

    A point that stands higher is measured as much less under focus. None without three points
    that span a plane.
    """
    at_x, at_y, *_ = sem.ReportImageShift()
    places, heights = [], []
    for point in points:
        sem.SetImageShift(at_x, at_y)
        if sem.ImageShiftByMicrons(point["SSX"], point["SSY"]) != 0:
            continue
        picture(lambda: sem.G(-1))
        height, failed = sem.ReportAutoFocus()
        if failed == 0:
            places.append((point["SSX"], point["SSY"]))
            heights.append(height)
    sem.SetImageShift(at_x, at_y)
    rise = rises(places, heights)
    # Autofocus on something that it cannot see may find anything.
    while rise is not None and len(places) > 3:
        off = off_plane(places, heights, rise)
        worst = off.index(max(off))
        if off[worst] <= most_off_plane:
            break
        sem.Echo(f"A height of {heights[worst]:.2f} um is off the plane and is left out")
        del places[worst], heights[worst]
        rise = rises(places, heights)
    return None if rise is None else geometry(*rise)


def off_plane(places, heights, rise):
    """Distances of heights from the plane that fits them."""
    rest = [z - rise[0] * x - rise[1] * y for (x, y), z in zip(places, heights)]
    return [abs(one - sum(rest) / len(rest)) for one in rest]


def rises(places, heights):
    """Rise of the plane that fits heights best, along X and Y; None when places span no plane."""
    if len(places) < 3:
        return None
    count = len(places)
    middle = [sum(part) / count for part in zip(*places)]
    apart = [(x - middle[0], y - middle[1]) for x, y in places]
    xx, xy, yy = (sum(one[i] * one[j] for one in apart) for i, j in ((0, 0), (0, 1), (1, 1)))
    narrowest = (xx + yy - math.hypot(xx - yy, 2 * xy)) / 2
    if narrowest < least_span**2:
        return None
    xz, yz = (sum(one[i] * z for one, z in zip(apart, heights)) for i in (0, 1))
    det = xx * yy - xy * xy
    return (xz * yy - yz * xy) / det, (yz * xx - xz * xy) / det


def geometry(along, across):
    """Pretilt and rotation (degrees) of a plane that rises along and across the tilt axis.

    The rotation is within 90 degrees; the pretilt is negative when the plane falls along Y.
    """
    side = 1 if across >= 0 else -1
    steep = side * math.degrees(math.atan(math.hypot(along, across)))
    return steep, math.degrees(math.atan2(-side * along, side * across))


def height_at(target):
    """Height of a target above the tracking target at zero tilt, in um."""
    a = math.radians(rotation)
    rise = math.cos(a) * target["SSY"] - math.sin(a) * target["SSX"]
    return math.tan(math.radians(pretilt)) * rise


def realign(target):
    """Find the tracking target again by its View picture; the stage takes the shift over.

    A Preview picture, which some have as well or instead, gives the last part of it.
    """
    for attempt in range(2 if "viewfile" in target else 0):
        sem.ReadOtherFile(0, "O", target["viewfile"])
        picture(sem.V)
        sem.AlignTo("O", 0, 0, 0, 0)
        if attempt == 0:
            sem.ResetImageShift()
    if "tgtfile" in target:
        sem.ReadOtherFile(0, "O", target["tgtfile"])
        picture(sem.L)
        sem.AlignTo("O", 0, 0, 0, 0)


def take(target, first):
    """Record into the target's own stack, which is opened first.

    Should the program die under the picture, the stack shows that this target was begun.
    """
    if first:
        if os.path.exists(target["tsfile"]):
            close_files()  # of a series that was cut off
        sem.OpenNewFile(target["tsfile"])
    else:
        sem.OpenOldFile(target["tsfile"])
    picture(sem.R)
    sem.S()
    sem.CloseFile()


def close_files():
    """Close all image files."""
    while sem.ReportFileNumber() > 0:
        sem.CloseFile()


def track(reference, tilt):
    """Align the picture in A to the last one of its side; returns the shift found in um."""
    before = sem.ReportSpecimenShift()
    sem.LimitNextAutoAlign(track_limit)
    try:
        sem.AlignTo(reference, 0, 0, 0, 0)
    except sem.SEMerror:
        sem.Echo(f"Tracking failed at {tilt:.1f} deg; going on by prediction")
        return 0.0, 0.0
    after = sem.ReportSpecimenShift()
    return after[0] - before[0], after[1] - before[1]


def expected(found, tilt):
    """Where the specimen is expected across the tilt axis (um), from where it was found before.

    A point at y0 across and z0 above the axis moves by y0 (cos(tilt) - 1) - z0 sin(tilt); these
    two are fitted by least squares, held near 0 until there are enough of them.
    """
    a, b, c, p, q = 0.002, 0.0, 0.002, 0.0, 0.0
    for angle, y in found:
        u, v = math.cos(math.radians(angle)) - 1, -math.sin(math.radians(angle))
        a, b, c, p, q = a + u * u, b + u * v, c + v * v, p + u * y, q + v * y
    y0, z0 = (p * c - q * b) / (a * c - b * b), (q * a - p * b) / (a * c - b * b)
    return y0 * (math.cos(math.radians(tilt)) - 1) - z0 * math.sin(math.radians(tilt))


# What PACEtomo sets when it starts
sem.SetProperty("ImageShiftLimit", 20)  # room for tracking beyond the targets' own shifts
sem.SetUserSetting("DriftProtection", 1)  # of autofocus
sem.SetUserSetting("ShiftToTiltAxis", 1)  # image shift counts from the tilt axis
sem.SetNewFileType(0)  # MRC
sem.SetFrameBaseName(0, 1, 0, "tilt_series")
sem.SaveNavigator()
sem.SuppressReports()
sem.AllowFileOverwrite(1)
item = int(sem.ReportNavItem()[0])
targets, points = read_targets(
    newest(os.path.join(sem.ReportDirectory(), sem.GetVariable("navNote")))
)
# The tracking target cannot be left out.
targets = targets[:1] + [t for t in targets[1:] if t.get("skip", "False") != "True"]
if not targets:
    sem.Echo("No targets for this item, nothing to acquire")
    sem.Exit()

sem.MoveToNavItem(item)
sem.GoToLowDoseArea("V")
sem.Eucentricity(1)
sem.UpdateItemZ(item)
sem.MoveStageTo(targets[0]["stageX"], targets[0]["stageY"])
realign(targets[0])
if come_to_rest():
    realign(targets[0])
focus()
if measureGeo:
    measured = measure_geometry(points)
    if measured is None:
        sem.Echo(f"WARNING: The lamella's geometry cannot be measured at {len(points)} points")
    else:
        pretilt, rotation = measured
sem.Echo(f"Geometry of the lamella: pretilt {pretilt:.2f}, rotation {rotation:.2f} deg")
sem.GoToLowDoseArea("R")
if binning:
    sem.SetBinning("R", binning)
start_x, start_y, *_ = sem.ReportImageShift()
focused = sem.ReportDefocus()

skipped = set()
tilts = dose_symmetric(
    -max_tilt if minTilt is None else minTilt,
    startTilt,
    max_tilt if maxTilt is None else maxTilt,
    step,
)
# Each side of the start has its own last tracking picture and shift (um), so that no alignment has
# to bridge the jump from one side to the other.
references = {True: "O", False: "N"}
shifts = {True: (0.0, 0.0), False: (0.0, 0.0)}
latest = {True: 0.0, False: 0.0}  # tilt of the last picture
found = []  # tilts and shifts across the tilt axis
for count, tilt in enumerate(tilts):
    sem.TiltTo(tilt)
    real_tilt = sem.ReportTiltAngle()
    cosine, sine = math.cos(math.radians(real_tilt)), math.sin(math.radians(real_tilt))
    shift_x, shift_y = shifts[tilt > startTilt]
    shift_y += expected(found, real_tilt) - expected(found, latest[tilt > startTilt])
    latest[tilt > startTilt] = real_tilt
    sem.Echo(f"Tilt {count + 1} of {len(tilts)} ({real_tilt:.1f} deg) at {len(targets)} targets")
    for number, target in enumerate(targets, 1):
        if number in skipped:
            continue
        y0, z0 = target["SSY"], height_at(target)
        x, y = target["SSX"], y0 * cosine - z0 * sine
        sem.GoToLowDoseArea("R")
        # What stands higher than the tracking target, or is tilted up, needs a lower focus.
        sem.SetDefocus(focused - (y0 * sine + z0 * cosine))
        sem.SetImageShift(start_x, start_y)
        if sem.ImageShiftByMicrons(x + shift_x, y + shift_y) != 0:
            sem.Echo(f"Target {number} is beyond the image-shift limit and is skipped")
            skipped.add(number)
            continue
        take(target, count == 0)
        if number == 1:
            if count > 0:
                dx, dy = track(references[tilt > startTilt], tilt)
                shift_x, shift_y = shift_x + dx, shift_y + dy
                shifts[tilt > startTilt] = (shift_x, shift_y)
                found.append((real_tilt, shift_y))
            for positive, buffer in references.items():
                if count == 0 or positive == (tilt > startTilt):
                    sem.Copy("A", buffer)

sem.TiltTo(0)
sem.SetDefocus(focused)
sem.SetImageShift(0, 0)
sem.Echo(f"Tilt series at {len(targets) - len(skipped)} targets done")
