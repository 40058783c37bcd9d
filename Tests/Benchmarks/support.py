"""What the benchmarks share: their helper programs, the machine, quantiles."""
import os
import platform
import subprocess
import tempfile
import time

here = os.path.dirname(os.path.realpath(__file__))


def built(name):
    """The helper program of that name, compiled into a directory of this user, and anew when its source has changed."""
    directory = os.path.join(tempfile.gettempdir(), f"netprobe-benchmarks-{os.getuid()}")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    if os.stat(directory).st_uid != os.getuid():
        raise SystemExit(f"{directory} belongs to somebody else")
    source, program = os.path.join(here, name + ".c"), os.path.join(directory, name)
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        subprocess.run(
            [os.environ.get("CC", "clang"), "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True
        )
    return program


def lines_of(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "?")
    return f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} x {model}, Linux {platform.release()}"


def quantile(values, fraction):
    """The value that the fraction of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]
