"""Write the schema."""

import sys

from kduq.config.study import SCHEMA_FILE, schema

if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema(), encoding="utf-8")
    sys.stdout.write(f"{SCHEMA_FILE}\n")
