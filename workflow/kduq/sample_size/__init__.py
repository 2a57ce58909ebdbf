"""Sample size: the students and responses that an interval of a wanted width needs."""
