"""Stage ``answers``: what a language model answers to the evaluated prompts."""
