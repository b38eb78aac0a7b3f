# Runs one program and says what it cost: python measure.py <folder> <program> [argument…]
#
# Its outputs go into the files `stdout` and `stderr` of the folder.
#
# Prints JSON: wall seconds from before its start to after its end, CPU seconds of it and all that it waited for, the peak memory of
# the largest process among them, the bytes that they read by system calls (mapped files do not show), and how it ended.

import json
import os
import sys
import time


def main():
    folder, *argv = sys.argv[1:]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    outputs = [(1, f"{folder}/stdout"), (2, f"{folder}/stderr")]
    actions = [(os.POSIX_SPAWN_OPEN, number, path, flags, 0o644) for number, path in outputs]
    start = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - start
    with open(f"/proc/{pid}/io") as io:
        counters = dict(line.split(": ") for line in io.read().splitlines())
    _, status, usage = os.wait4(pid, 0)
    print(
        json.dumps(
            {
                "wall_s": round(wall, 3),
                "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
                "rss_mb": round(usage.ru_maxrss * 1024 / 1e6, 1),
                "bytes_read": int(counters["rchar"]),
                "exit": os.waitstatus_to_exitcode(status),
            }
        )
    )


main()
