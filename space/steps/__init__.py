"""Levels 1 to 5 as steps that can be resumed, for one grid at a time.

The names below are for `space.workflow`.
"""

from space.steps.acquire import is_acquired, lamella_numbers, set_up_ready, start_acquisition
from space.steps.approving import wait_for_lamellae, wait_for_targets
from space.steps.begun import keep_begun_off
from space.steps.choose import points_by_hand, polygons_on_map
from space.steps.clicked import clicks_of, save_clicks
from space.steps.collect import collect_maps, go_to_lamella_conditions, wait_for_segmentations
from space.steps.drawing import wait_for_pictures
from space.steps.find import find_lamellae
from space.steps.grid_names import NAMES_FILE, earlier_names, grid_name, note_name
from space.steps.grid_picture import ensure_grid_picture
from space.steps.groups import is_waiting as has_series_that_wait
from space.steps.groups import put_record_back, record_as_set_up
from space.steps.identity import (
    ensure_session_id,
    grid_name_in,
    is_session,
    reserve_grid_name,
    reserve_settings_name,
    session_id,
)
from space.steps.inference import SEGMENTATION_TIMEOUT_S, read_segmentation
from space.steps.lamella_list import (
    DEFAULT_SIZE_UM,
    LamellaList,
    numbers_to_visit,
    points_to_visit,
)
from space.steps.lamella_list import load as read_lamella_list
from space.steps.learned import tasks_of_session
from space.steps.made_with import remarks_on_changes
from space.steps.manual import BY_GREY
from space.steps.map_facts import MapFacts
from space.steps.map_facts import read_facts as read_map_facts
from space.steps.night import (
    Night,
    begin_or_continue,
    confirm_going_on,
    confirm_scripts,
    load_night,
    night_began,
    save_night,
    with_hours,
)
from space.steps.planned import wants as plan_wants
from space.steps.prepare import check_autoloader, open_grid
from space.steps.question import Question, names_of, optics_of, read_record
from space.steps.rechoose import (
    ChosenAgain,
    answer_again,
    choose_again,
    hand_back,
    question_on_disk,
    save_choice,
)
from space.steps.refind import refind_lamellae
from space.steps.repair import repair_targets, repair_whole_grid
from space.steps.review import corrections, is_asked
from space.steps.review import look as look_at_review
from space.steps.review_scene import map_frame, scene_on_disk, stamp_of_targets
from space.steps.session import FilesOfGrid, GridOnDisk, GridSession
from space.steps.steering import (
    PAUSE_KEY,
    Course,
    after_item,
    before_grid,
    checkpoint,
    leaves_grid,
    log_standing,
    run_stops,
    was_stopped,
)
from space.steps.target_facts import (
    Listing,
    begun_files,
    choice_path,
    cut_files,
    find_files,
    has_no_targets,
    is_begun,
    targets_files,
)
from space.steps.target_plots import draw_segmentations
from space.steps.taught import teach_next_areas
from space.steps.telling import post_to_people, tell, told_when_stopped
from space.steps.tried import outcomes as read_trials

__all__ = [
    "BY_GREY",
    "DEFAULT_SIZE_UM",
    "NAMES_FILE",
    "PAUSE_KEY",
    "SEGMENTATION_TIMEOUT_S",
    "ChosenAgain",
    "Course",
    "FilesOfGrid",
    "GridOnDisk",
    "GridSession",
    "LamellaList",
    "Listing",
    "MapFacts",
    "Night",
    "Question",
    "after_item",
    "answer_again",
    "before_grid",
    "begin_or_continue",
    "begun_files",
    "check_autoloader",
    "checkpoint",
    "choice_path",
    "choose_again",
    "clicks_of",
    "collect_maps",
    "confirm_going_on",
    "confirm_scripts",
    "corrections",
    "cut_files",
    "draw_segmentations",
    "earlier_names",
    "ensure_grid_picture",
    "ensure_session_id",
    "find_files",
    "find_lamellae",
    "go_to_lamella_conditions",
    "grid_name",
    "grid_name_in",
    "hand_back",
    "has_no_targets",
    "has_series_that_wait",
    "is_acquired",
    "is_asked",
    "is_begun",
    "is_session",
    "keep_begun_off",
    "lamella_numbers",
    "leaves_grid",
    "load_night",
    "log_standing",
    "look_at_review",
    "map_frame",
    "names_of",
    "night_began",
    "note_name",
    "numbers_to_visit",
    "open_grid",
    "optics_of",
    "plan_wants",
    "points_by_hand",
    "points_to_visit",
    "polygons_on_map",
    "post_to_people",
    "put_record_back",
    "question_on_disk",
    "read_lamella_list",
    "read_map_facts",
    "read_record",
    "read_segmentation",
    "read_trials",
    "record_as_set_up",
    "refind_lamellae",
    "remarks_on_changes",
    "repair_targets",
    "repair_whole_grid",
    "reserve_grid_name",
    "reserve_settings_name",
    "run_stops",
    "save_choice",
    "save_clicks",
    "save_night",
    "scene_on_disk",
    "session_id",
    "set_up_ready",
    "stamp_of_targets",
    "start_acquisition",
    "targets_files",
    "tasks_of_session",
    "teach_next_areas",
    "tell",
    "told_when_stopped",
    "wait_for_lamellae",
    "wait_for_pictures",
    "wait_for_segmentations",
    "wait_for_targets",
    "was_stopped",
    "with_hours",
]
