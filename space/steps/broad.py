"""Broad fields of a lamella: chosen beside its targets, with another magnification and beam."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from space import pacetomo
from space.microscope import RecordOptics, scope, states
from space.settings import BEFORE, NO_BROAD, Settings
from space.steps.drawing import have_drawn
from space.steps.made_with import TARGETS, made_with
from space.steps.question import CREEP_UM, Question
from space.steps.session import GridSession
from space.steps.target_facts import broad_choice_path
from space.steps.target_plots import targets_picture
from space.targeting import Choice, DoseRule, TargetingOptions, read_choice, write_choice

log = logging.getLogger("space.workflow")


def letter_of(settings: Settings) -> str:
    """Return the letter of the low dose area that broad series are taken like."""
    return next(letter for letter, name in states.AREAS.items() if name == settings.broad_area)


def rule_of(settings: Settings) -> DoseRule:
    """Return in which order series are taken, and what a target may have had before."""
    is_first = settings.broad_order == BEFORE
    return DoseRule(is_first, settings.broad_dose, settings.max_prior_dose)


def broad_question(question: Question, settings: Settings, record: RecordOptics) -> Question:
    """Return the question about broad fields of the lamella that a question is about.

    Parameters
    ----------
    question : Question
        About its targets.
    settings : Settings
    record : RecordOptics
        What Record covers with the magnification and beam of the broad series.
    """
    wanted = settings.broad_targets
    options: TargetingOptions = replace(
        question.options,
        target_list=tuple(wanted),
        target_weights=tuple(wanted.values()) if isinstance(wanted, dict) else (),
        target_score_threshold=TargetingOptions.target_score_threshold,
        sparse=True,
        target_edge=False,
        extra_tracking=False,
        max_targets=settings.max_broad_targets,
    )
    turned_deg = record.rotation_deg - question.record.rotation_deg
    optics = replace(
        question.optics,
        field_um=record.field_um,
        beam_diameter_um=record.beam_diameter_um + CREEP_UM,
        field_rotation_deg=question.optics.field_rotation_deg + turned_deg,
    )
    return replace(question, options=options, optics=optics, record=record)


def choose_broad(
    session: GridSession, number: int, question: Question, fine: Choice, labels_path: Path
) -> Choice | None:
    """Choose the broad fields of a lamella, or take those that a person has edited.

    Writes the choice into a file like that of the targets, and says in the log what it means for
    them. None if the settings ask for none.

    Raises
    ------
    SpaceError
        When the edited choice cannot be understood.
    """
    settings = session.settings
    if settings.broad_area == NO_BROAD:
        return None
    record = scope.optics_of_area(letter_of(settings))
    asked = broad_question(question, settings, record)
    path, stem = broad_choice_path(session, number), session.map_stem(number)
    edited = read_choice(path, question.shape)
    take = edited.take if edited is not None else "nothing"
    rule = rule_of(settings)
    choice, stated = asked.broad(
        (np.concatenate([area.targets_map_px for area in fine.areas]), question.optics),
        rule,
        fine.polygons_map_px,
        edited.fixed_map_px if edited is not None and take == "fixed" else None,
        edited.areas if edited is not None and take == "all" else None,
    )
    used = made_with(settings, TARGETS)
    write_choice(
        path, choice, session.map_png(number).name, question.shape, take, used, asdict(record)
    )
    for warning in choice.warnings:
        log.warning("%s, broad fields: %s", stem, warning)
    log.info(
        "%s: %d broad fields of %.1f x %.1f um on %s, in %d area(s). %s",
        stem,
        choice.n_targets,
        *record.field_um,
        ", ".join(asked.options.target_list),
        len(choice.areas),
        stated.sentence(rule),
    )
    picture = targets_picture(
        session, number, asked, choice.polygons_map_px, choice.areas, labels_path
    )
    name = pacetomo.plot_name(pacetomo.broad_root(stem), asked.options.target_list)
    title = f"{stem}: {choice.n_targets} broad fields"
    have_drawn(session.directory, [replace(picture, path=session.directory / name, title=title)])
    return choice
