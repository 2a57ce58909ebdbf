"""Sample size: how many students and responses an interval of a wanted width costs."""
