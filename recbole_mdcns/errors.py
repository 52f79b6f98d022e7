"""Mistakes of the user's input: shown as one sentence, never as a traceback."""


class UserError(Exception):
    """Something the user gave cannot be used; the message says what was found and what is allowed."""


class ConfigError(UserError):
    """A key, a model name or a configuration file is wrong."""


class DataError(UserError):
    """A dataset is missing or malformed."""


class CheckpointError(UserError):
    """A checkpoint is missing, damaged or belongs to another run."""


class TrainingError(UserError):
    """Training cannot go on, for a reason that the user can remove."""
