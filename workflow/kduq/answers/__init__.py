"""Stage ``answers``: a teacher's own answers to the evaluated prompts."""

#: Value of the column draw for a model's greedy answer.
GREEDY = -1
