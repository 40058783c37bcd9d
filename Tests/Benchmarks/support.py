"""What the benchmarks share: their helper programs, the machine, quantiles."""
import contextlib
import os
import platform
import subprocess
import sys
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
        options = ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
        subprocess.run([os.environ.get("CC", "clang")] + options + ["-o", program, source], check=True)
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


def enter_namespace():
    """Starts this program again in a network namespace of its own, which ends with it and those that it starts."""
    if os.geteuid() != 0:
        raise SystemExit("needs root")
    if "NETPROBE_BENCH" not in os.environ:
        os.environ["NETPROBE_BENCH"] = "inside"
        os.execvp("unshare", ["unshare", "--net", sys.executable] + sys.argv)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@contextlib.contextmanager
def peer_with(network):
    """A namespace behind a veth pair that takes every address of the network for its own."""
    peer = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{peer.pid}/ns/net") == own:
            time.sleep(0.01)
        inside = f"nsenter --net=/proc/{peer.pid}/ns/net "
        for command in (
            f"ip link add bench0 type veth peer name bench1 netns {peer.pid}",
            "ip address add 10.98.0.1/24 dev bench0",
            "ip link set bench0 up",
            inside + "ip link set lo up",
            inside + "ip address add 10.98.0.2/24 dev bench1",
            inside + "ip link set bench1 up",
            inside + f"ip route add local {network} dev lo",
            f"ip route add {network} via 10.98.0.2",
        ):
            subprocess.run(command.split(), check=True)
        yield
    finally:
        peer.kill()
        peer.wait()


class Cost:
    """What a command took: seconds, seconds of processor time, MB, and what it printed."""

    def __init__(self, command):
        with tempfile.NamedTemporaryFile("r", prefix="netprobe-benchmark-") as file:
            line = lines_of([built("spawn"), "--to", file.name, "1"] + command)[0]
            self.output = file.read()
        _, self.status, wall, user, system, size = map(int, line.split())
        self.wall = wall / 1e9
        self.processor = (user + system) / 1e6
        self.megabytes = size * 1024 / 1e6
