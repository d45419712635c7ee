"""Runs a program and says how long it took, how much memory it held, and what it printed."""

import json
import resource
import subprocess
import sys
import time

started = time.monotonic()
process = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True)
seconds = time.monotonic() - started
memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "memory": memory, "said": process.stdout}))
sys.exit(process.returncode)
