"""The users that models embed; such models recommend only for these users."""

from __future__ import annotations

from collections.abc import Sequence
from logging import getLogger

import numpy as np

from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.errors import DataError
from recbole_mdcns.recommend.saved_models import SavedModels
from recbole_mdcns.recommend.sequences import ItemSequences
from recbole_mdcns.recommend.vocabulary import Vocabulary


class KnownUsers:
    """The users of those models of a run that embed users."""

    def __init__(self, saved: SavedModels):
        self._saved = saved
        self._vocabulary: Vocabulary | None = None

    def numbers(
        self, sequences: ItemSequences, models: Sequence[ScoringModel], on_unknown: str = "error"
    ) -> np.ndarray:
        """Return the numbers of the sequences' users, or ones where no model embeds users, shape [n].

        Args:
            sequences: The sequences.
            models: The models that will read them.
            on_unknown: ``skip`` gives unknown users number 0, and logs how many.

        Raises:
            DataError: The sequences have no users, or one is unknown without ``skip``.
        """
        needing = [each for each in models if self._saved[each.role].embeds_users]
        if not needing or not len(sequences):
            return np.ones(len(sequences), dtype=np.int64)
        kind = type(needing[0].model).__name__
        if not sequences.has_users:
            raise DataError(f"lists name no users, and {kind} embeds users: give a dict of lists by user, or a table")
        if self._vocabulary is None:
            one = self._saved[needing[0].role]
            field = one.config["USER_ID_FIELD"]
            self._vocabulary = Vocabulary(one.names[field], field)  # that of all models of the run
        numbers = self._vocabulary.numbers(sequences.names)
        unknown = np.flatnonzero(numbers == 0)
        if len(unknown):
            text = (
                f"{len(unknown)} of {len(numbers)} users are unknown, such as {sequences.names[unknown[0]]!r}, and "
                f"{kind} embeds users: it recommends for users that it was trained on, such as "
                f"{self._vocabulary.examples()}"
            )
            if on_unknown == "error":
                raise DataError(text)
            getLogger().warning(f"{text}; the others get no recommendations")
        return numbers
