#!Python3.11
# SPACEtomo: from a grid in the autoloader to tilt series.
# Paste this into a SerialEM script window, set SPACE_DIR, press Run. See README.md.
# The first line names one of the PathToPython entries of SerialEMproperties.txt (3.9 or newer).

SPACE_DIR = "C:/SPACEtomo"  # folder of this project on this computer
automation_level = 4  # 1 find, 2 montages, 3 segment, 4 targets, 5 acquire

# Grids
grid_list = [1]  # autoloader slots; "stage" = the loaded grid
grid_default_name = ""  # grid name when the autoloader gives none
exclude_lamella_classes = ["broken", "gone"]  # lamella classes that get no montage

# Targets
target_list = ["mitos"]  # classes to target; "lamella" first: all not avoided;
#                          with priorities: {"mitos": 1, "vesicles": 0.5}
avoid_list = ["black", "white", "ice", "crack"]  # classes to avoid
on_lamella_only = True  # not beside it and on shreds; False: samples that are no lamellae
target_score_threshold = 0.03  # minimum score of a target (1 = field full of target); advised:
#                                0.1 for mitos and nucleus, 0.2 for lamella; for each class:
#                                {"mitos": 0.1, "lamella": 0.2} (0.03 for all others)
sparse_targets = True  # True: small scattered classes; False: dense pattern
target_edge = False  # aim at the boundary of the class instead of its inside
penalty_weight = 0.3  # weight of avoided classes against wanted ones
max_iterations = 10  # limit of placement refinement (0 = the first placement)
extra_tracking = False  # extra tracking target that need not hold the wanted class
max_targets = 0  # most targets of a lamella (0 = no limit)
target_polygons = False  # only inside polygons drawn in the Navigator on the lamella map
hole_pattern = False  # only in the holes of a holey film
trust_simulated_model = False  # True: acquire organelles (noise on real maps) that a model found
#                                which was trained on simulated maps only, as the shipped one
max_tilt = 60  # degrees; beams must not overlap up to this tilt
pretilt = 0  # degrees; of the lamella, if max_tilt is counted from the stage
tolerance = 0.1  # beam overlap (fraction) that is resolved by moving targets
save_plot = False  # save plots of intermediate steps

# Microscope
aperture_control = True  # SerialEM can drive the apertures
objective_aperture = 70  # um; for lamella maps and tilt series
WG_image_state = 1  # imaging state of the whole-grid montage (number or name)
MM_image_state = 2  # low dose imaging state made in View; or [View's, Record's]
WG_offset_via_IM = True  # find lamellae again at an intermediate magnification
IM_mag_index = 10  # intermediate magnification (value < 50: its index)
IM_image_state = ""  # imaging state of the intermediate pictures ("" = IM_mag_index)
WG_montage_overlap = 0.15  # fraction of the frame
MM_montage_overlap = 0.25  # fraction of the frame
WG_detection_threshold = 0.1  # least confidence of a lamella
MM_padding_factor = 1.2  # size of a lamella map, relative to the detected box
MM_mean_threshold = 0  # counts; mean of a picture below which a person must centre (0 = never)
image_shift_limit = 15  # um; largest distance from the tracking target
beam_diameter = 0  # um; at Record (0 = as the microscope tells, else the camera's diagonal)
beam_margin = 0.2  # um; around the tracking target's beam, which misses its place while tilting
take_previews = False  # a Preview of each target at level 4 (dose), for PACEtomo's refFromPreview
acquire_begun_items = False  # True: acquire again what was cut off (exposes its targets twice)

# Inference
external_map_dir = ""  # folder that SPACEtomo_monitor.py on another computer watches, which then
#                        runs the models ("" = this computer runs them)

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
