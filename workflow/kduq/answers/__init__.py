"""Stage ``answers``: what a language model answers to the evaluated prompts."""

#: Number of the draw that is a model's greedy answer.
GREEDY = -1
