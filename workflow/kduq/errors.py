"""Errors that a user can correct: shown as one line, never as a traceback."""


class UserError(Exception):
    """A mistake in the configuration, the data or the files of a study.

    The message names the file or key, what was found, what is allowed and how to correct it.
    """


class ArtifactError(UserError):
    """An artifact that is missing, damaged, not of this project, or of another schema."""
