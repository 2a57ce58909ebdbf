"""Stage ``answers``: answers of a teacher, and of students, to the evaluated prompts."""

#: Value of the column draw for a model's greedy answer.
GREEDY = -1
