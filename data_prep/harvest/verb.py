"""`iconoclip harvest`: downloads collections, or a selection of a catalogue, into a shard set.

After an interruption, the same command resumes.
"""

from __future__ import annotations

import dataclasses
import functools

from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.dry_run import dry_run, dry_run_of_selection
from data_prep.harvest.lifecycle import harvest_and_pack, prepare
from data_prep.harvest.selection import prepare_selection, selection_of, settled_for
from data_prep.harvest.session import Session


def harvest(config: HarvestConfig) -> int:
    """Harvest `config.sources` into the shard set `config.out`.

    Raises:
        SomeRefused: finished, but some items were refused; the report lists them.
        BadInput: there is nothing usable, or the folder contains another harvest.
        TooManyWithdrawals: a refresh would withdraw a large part of the set, and this was not confirmed.
        RightsForbid: everything was refused because of its rights.
        ConfigError: a source is on another machine, and no contact is configured.
        TryAgainLater: the disk is full, or servers ask to wait longer than `network.max_wait_seconds`.
    """
    selection = selection_of(config)
    if config.dry_run:
        return dry_run_of_selection(config, selection) if selection else dry_run(config)
    session = Session.of(config)
    if selection is None:
        return harvest_and_pack(session, prepare)
    session = dataclasses.replace(session, **settled_for(session, selection, config))
    return harvest_and_pack(session, functools.partial(prepare_selection, selection=selection))
