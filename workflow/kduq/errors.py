"""Errors that a user can mend: shown as one line, never as a traceback."""


class UserError(Exception):
    """A mistake in the configuration, the data or the files of a study.

    The message names the file or key, what was found, what is allowed and how to mend it.
    """


class ArtifactError(UserError):
    """An artifact that is missing, damaged, foreign or of another schema."""
