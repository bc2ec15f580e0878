#!Python
# SPACEtomo post action: sets up targets of lamellae whose segmentation is finished by now.
# In the Acquire at Items dialog, choose this as "Run Script after Action". See README.md.

SPACE_DIR = "C:/SPACEtomo"  # folder of this project on this computer

# ----------------------------------------------------------------------------------------------
import sys

sys.path.insert(0, SPACE_DIR)
from space.workflow import run_post_action_script

run_post_action_script(SPACE_DIR)
