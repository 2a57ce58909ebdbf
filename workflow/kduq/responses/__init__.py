"""Stage ``responses``: the teacher's responses that students learn from."""
