#!Python3.11
# SPACEtomo: from a grid in the autoloader to tilt series.
# Paste this into a SerialEM script window, set SPACE_DIR, press Run. See README.md.
# The first line names one of the PathToPython entries of SerialEMproperties.txt (3.9 or newer).

SPACE_DIR = "C:/SPACEtomo"  # folder of this project on this computer
automation_level = 4  # 0 only check, 1 find, 2 montages, 3 segment, 4 targets, 5 acquire

# Grids
sample = "lamella"  # what is mapped: "lamella", "squares" of grids that nobody has milled, or
#                     "positions" that you have marked in the Navigator (docs/squares.md)
grid_list = [1]  # autoloader slots; "stage" = the loaded grid
grid_default_name = ""  # grid name to use if the autoloader has none
screen_first = False  # True: levels 1 to 3 for all grids, then targets
grid_order = []  # order of targets and acquisition; [] = that of grid_list; "best" (with
#                  screen_first): most and best lamellae first
night_hours = 0  # hours; until then a level 5 run plans which lamellae are acquired, and in which
#                  order, by their expected value (0 = no plan)
planner = True  # with night_hours: True: the run follows the plan; False: plan.json is only written
script_numbers = {}  # numbers of the scripts in SerialEM, to acquire several grids unattended:
#                      {"SPACEtomo": 1, "PACEtomo": 2, "post action": 3}
exclude_lamella_classes = ["broken", "gone"]  # lamella classes to skip
exclude_square_classes = ["broken", "thick ice", "empty", "contaminated"]  # classes of squares to
#                                                                             skip, with sample =
#                                                                             "squares"
square_transmission = 0.2  # squares whose film lets through less of the light are skipped: their
#                            ice is too thick
max_squares = 10  # so many of the best squares are mapped (0 = all)
place_size = 30  # um; side of the part of a square, or around a position, that is mapped (0 = the
#                  whole square)
reacquire = []  # lamellae whose maps are taken again, once for each entry: ["L03"]; of several
#                 grids ["G1_L03"]; once more ["L03 again"]
restitch = []  # lamellae whose maps are stitched anew from their pieces: ["L03 nominal"] where the
#                stage was; "close": aligned near there; "aligned": as at first
inspect = "if there"  # corrections in a page in the browser: "no", "if there", or "wait" until a
#                       person has approved the lamellae of a grid, and its targets before they are
#                       acquired
inspect_limit = 120  # minutes; with inspect = "wait": after this long the run goes on with what
#                      there is

# Targets
target_list = ["mitos"]  # classes to target; "lamella" first: everything that is not avoided;
#                          "learned": like what was clicked on (docs/clicks.md); "fm:mCherry":
#                          signal of a fluorescence channel (docs/clem.md); with priorities:
#                          {"mitos": 1, "vesicles": 0.5}
avoid_list = ["black", "white", "ice", "crack"]  # classes to avoid
on_lamella_only = True  # no targets beside the lamella or on fragments; False: for samples other
#                         than lamellae
target_score_threshold = 0.03  # minimum score of a target (1 = the field is filled with the class);
#                                suggested: 0.1 for mitos and nucleus, 0.2 for lamella; per class:
#                                {"mitos": 0.1, "lamella": 0.2} (0.03 for all others)
sparse_targets = True  # True: small scattered classes; False: dense pattern
target_edge = False  # aim at the boundary of the class instead of its inside
penalty_weight = 0.3  # weight of avoided classes against wanted ones
max_iterations = 10  # maximum number of rounds of placement refinement (0 = none)
extra_tracking = False  # extra target for tracking, which need not contain the wanted class
max_targets = 0  # maximum number of targets per lamella (0 = no limit)
broad_area = "no"  # low dose area whose magnification and beam further, broad series are taken
#                    with, on the same lamellae
broad_targets = ["lamella"]  # classes that broad series image
max_broad_targets = 0  # maximum number of broad series per lamella (0 = no limit)
broad_order = "after"  # when the broad series of a lamella are taken: after the others or before
#                        them
broad_dose = 0  # e/A2; with broad_order = "before": dose of one whole broad series
max_prior_dose = 0  # e/A2; with broad_order = "before": most that a target may have had of broad
#                     series before its own
target_polygons = False  # only inside polygons drawn in the Navigator on the lamella map
manual_selection = False  # True: no segmentation; targets at points of the Navigator, in polygons,
#                           in holes, or in a pattern on all that is not dark (docs/squares.md)
hole_pattern = False  # only in the holes of a holey film
trust_simulated_model = False  # True: acquire organelles found by a model trained on simulated maps
#                                only, as the shipped one (noise on real maps)
max_tilt = 60  # degrees; beams must not overlap up to this tilt
pretilt = 0  # degrees; pretilt of the lamella, if max_tilt is counted from the stage
tolerance = 0.1  # beam overlap (fraction of the diameter) that is resolved by moving targets
save_plot = False  # save plots of intermediate steps

# Microscope
aperture_control = True  # SerialEM can drive the apertures
objective_aperture = 70  # um; objective aperture for lamella maps and tilt series
WG_image_state = 1  # imaging state of the whole-grid montage (number or name)
MM_image_state = 2  # low dose imaging state made in View, or a list of two: View, Record
WG_offset_via_IM = True  # find lamellae again at an intermediate magnification
IM_mag_index = 10  # intermediate magnification (value < 50: its index)
IM_image_state = ""  # imaging state of the intermediate pictures ("" = IM_mag_index)
WG_montage_overlap = 0.15  # overlap of neighbouring pieces, as a fraction of the frame
MM_montage_overlap = 0.25  # overlap of neighbouring pieces, as a fraction of the frame
WG_detection_threshold = 0.1  # minimum probability of a lamella
MM_padding_factor = 1.2  # size of a lamella map, relative to the detected box
MM_mean_threshold = 0  # counts; mean of a View picture below which you are asked to centre the
#                        lamella (0 = never)
image_shift_limit = 15  # um; maximum distance of a target from the tracking target
beam_diameter = 0  # um; at Record (0 = as the microscope reports, else the camera's diagonal)
beam_margin = 0.2  # um; gap around the beam of the tracking target, which drifts during tilting
take_previews = False  # a Preview of each target at level 4 (dose), for PACEtomo's refFromPreview
try_focus_and_tilt = False  # try the tilt range and, beside the targets, autofocus on each lamella
#                             before its series (dose)
acquire_begun_items = False  # True: acquire interrupted items again (exposes their targets twice)

# Messages
notify = {}  # who is told when nobody is there, by mail (to the address in SerialEM) and by a
#              webhook: {"email": True, "webhook": "https://...", "format": "slack"}, or "teams",
#              "mattermost", "json"; "on": ["grid done", "grid failed", "series in trouble",
#              "person needed", "stopped", "finished"] (without it: all of these); {} = nobody

# Inference
external_map_dir = ""  # shared folder, if another computer runs the models (with
#                        SPACEtomo_monitor.py); "" = this computer runs them

# ----------------------------------------------------------------------------------------------
import sys

if sys.version_info < (3, 9):
    raise RuntimeError(
        "SPACEtomo needs Python 3.9 or newer, but SerialEM has started Python %d.%d. "
        "Write the version of a newer PathToPython entry into the first line of this script "
        "(see README.md)." % sys.version_info[:2]
    )
sys.path.insert(0, SPACE_DIR)
from space.packages import load

load("space.workflow").run_script(globals())
