#!Python3.11
# SPACEtomo post action: sets up targets of lamellae whose segmentation is finished by now.
# In the Acquire at Items dialog, choose this as "Run Script after Action". See README.md.
# The first line names one of the PathToPython entries of SerialEMproperties.txt (3.9 or newer).

SPACE_DIR = "C:/SPACEtomo"  # folder of this project on this computer

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

load("space.workflow").run_post_action_script(SPACE_DIR)
