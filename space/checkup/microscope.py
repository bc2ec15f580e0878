"""What the microscope answers: asked inside SerialEM, which is not moved by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from space.checkup import folders
from space.checkup.finding import Finding, fail, failed, ok, warn
from space.checkup.size import Expected
from space.errors import SpaceError
from space.microscope import asking, autoloader, check_program, column, series_needs
from space.settings import STAGE, Settings

_NO_LOW_DOSE, _LOW_DOSE = "off", "on"


def of_microscope(settings: Settings, directory: Path) -> tuple[Finding, ...]:
    """Return what the microscope answers. Nothing is moved or exposed.

    Parameters
    ----------
    settings : Settings
    directory : Path
        SerialEM's directory; it gets an empty image file for a moment.

    Raises
    ------
    SpaceError
        When SerialEM is too old to be asked.
    """
    return tuple(_all(settings, directory))


def expected_size() -> Expected:
    """Return what a session takes with the camera of this microscope."""
    camera = asking.camera()
    return Expected() if camera is None else Expected(camera_px=camera.size_px)


def _all(settings: Settings, directory: Path) -> Iterator[Finding]:
    check_program()
    yield ok("SerialEM", "its version and its commands are those that are needed.")
    yield _camera()
    yield from _states(settings)
    yield from _grids(settings)
    yield from _devices(settings)
    yield from _series(settings, directory)
    frames = asking.frame_folder()
    if frames and Path(frames).is_dir():
        yield from folders.of_folder("folder of the movies", Path(frames))


def _camera() -> Finding:
    camera = asking.camera()
    if camera is None:
        return fail("camera", "it does not answer.", "Select a camera in SerialEM and start it.")
    width, height = camera.size_px
    return ok("camera", f"{camera.name or 'the current one'}, {width} x {height} pixels.")


# --- imaging states -------------------------------------------------------------------------------


def _states(settings: Settings) -> Iterator[Finding]:
    yield _state("WG_image_state", settings.WG_image_state, _NO_LOW_DOSE)
    states = settings.MM_image_state
    for state in states if isinstance(states, tuple) else (states,):
        yield _state("MM_image_state", state, _LOW_DOSE)
    if settings.refines and settings.IM_image_state:
        yield _state("IM_image_state", settings.IM_image_state, _NO_LOW_DOSE)


def _state(setting: str, state: int | str, low_dose: str) -> Finding:
    """Return whether an imaging state is there, with low dose as it is needed."""
    subject = f"{setting} = {state!r}"
    try:
        found = asking.imaging_state(state)
    except SpaceError as error:
        return fail(
            subject,
            f"SerialEM has no such imaging state ({error.what}).",
            f"Correct {setting}, or add the state in SerialEM's Imaging States dialog.",
        )
    if found is None or not found.area_known:
        return warn(
            subject,
            "This SerialEM does not tell its imaging states.",
            "Look at them in the Imaging States dialog.",
        )
    about = f"{found.name!r}, number {found.number}, "
    about += f"low dose, made in {found.area}." if found.area else "low dose off."
    if low_dose == _NO_LOW_DOSE and found.area:
        return fail(subject, about, "Set a state that was made with low dose off.")
    if low_dose == _LOW_DOSE and not found.area:
        return fail(subject, about, "Set a low dose state: set up View, then add the state in it.")
    return ok(subject, about)


# --- grids, devices, tilt series ------------------------------------------------------------------


def _grids(settings: Settings) -> Iterator[Finding]:
    slots = [int(slot) for slot in settings.grid_list if slot != STAGE]
    if not slots:
        yield ok("grids", "the one on the stage.")
        return
    if autoloader.is_absent(slots[0]):
        yield fail(
            "autoloader",
            f"this microscope has none, and grid_list = {list(settings.grid_list)}.",
            f'Put the grid on the stage and set grid_list = ["{STAGE}"].',
        )
        return
    for slot in slots:
        try:
            name = autoloader.slot_name(slot)
        except SpaceError as error:
            yield failed(f"slot {slot}", error)
            continue
        yield ok(f"slot {slot}", f"a grid called {name!r}." if name else "a grid without a name.")


def _devices(settings: Settings) -> Iterator[Finding]:
    tells = asking.tells_objective_aperture()
    if settings.aperture_control and not tells:
        yield warn(
            "apertures",
            "SerialEM cannot drive the apertures of this microscope.",
            "Set aperture_control = False and move the objective aperture by hand.",
        )
    else:
        driven = "SerialEM drives them." if settings.aperture_control else "you move them by hand."
        yield ok("apertures", driven)
    if column.valve_is_closed():
        yield warn("column valves", "they are closed.", "A session opens them; check the vacuum.")
    else:
        yield ok("column valves", "open, or not reported.")
    if settings.beam_diameter or asking.tells_illuminated_area():
        yield ok("beam", "its diameter at Record is known.")
    else:
        yield warn(
            "beam",
            "the microscope does not report its illuminated area: the beam is taken to be as wide "
            "as the camera's diagonal.",
            "Measure it at Record and set beam_diameter.",
        )


def _series(settings: Settings, directory: Path) -> Iterator[Finding]:
    problems = series_needs.what_is_missing(directory, settings.max_tilt)
    if asking.low_dose_is_on():
        problems += [text for text in (series_needs.focus_beside_record(),) if text]
    for problem in problems:
        yield warn("tilt series", problem)
    if not problems:
        yield ok("tilt series", "what PACEtomo relies on is set.")
    limit_um = asking.image_shift_limit_um()
    if limit_um is not None and limit_um < settings.image_shift_limit:
        yield warn(
            "image shift",
            f"its limit in SerialEM is {limit_um:g} um, image_shift_limit is "
            f"{settings.image_shift_limit:g} um.",
            "A session raises the property ImageShiftLimit; check that the microscope reaches it.",
        )
