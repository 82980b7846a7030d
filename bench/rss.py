"""See bench/rss."""

import concurrent.futures
import os
import pathlib
import sys
import threading
import time

from client_side import RUN_DIR, Account, Client, bound, end

IDLE_MAX_MB, BUSY_MAX_MB = 40, 100
PROGRAMS = ("mr-upload", "mr-api", "mr-metadata")
# The server lets one user have 64 sessions open.
PER_USER = 50


def pid_of(program: str) -> int:
    return int((RUN_DIR / f"{program}.pid").read_text().split()[0])


def memory_mb(pid: int, field: str) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1000
    raise SystemExit(f"process {pid} has no {field}")


class Flights:
    """Uploads that have begun and are not complete."""

    def __init__(self):
        self.lock, self.now, self.most, self.done = threading.Lock(), 0, 0, 0

    def change(self, by: int) -> None:
        with self.lock:
            self.now += by
            self.most = max(self.most, self.now)
            self.done += by < 0


def main() -> None:
    uploads = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    time.sleep(3)
    print("idle, freshly started")
    for program in PROGRAMS:
        mb = memory_mb(pid_of(program), "VmRSS")
        print(f"  {program:12} {mb:6.1f} MB")
        bound(f"{program} idle under {IDLE_MAX_MB} MB", mb < IDLE_MAX_MB)

    accounts = [Account(f"rss-{i}") for i in range(-(-uploads // PER_USER))]
    clients = [Client(a) for a in accounts]
    flights, end = Flights(), time.monotonic() + seconds
    all_open = threading.Barrier(uploads)

    def work(n: int) -> None:
        client, i = clients[n // PER_USER], 0
        while i == 0 or time.monotonic() < end:
            data = os.urandom(10 << 10)
            session = client.initiate(f"/rss/{n}/{i}", data)
            flights.change(1)
            if i == 0:
                all_open.wait()
            client.put(session, data)
            client.complete(session, wait=True)
            flights.change(-1)
            i += 1

    upload_pid = pid_of("mr-upload")
    pathlib.Path(f"/proc/{upload_pid}/clear_refs").write_text("5")  # the high-water mark begins here
    with concurrent.futures.ThreadPoolExecutor(uploads) as executor:
        for job in [executor.submit(work, n) for n in range(uploads)]:
            job.result()
    peak = memory_mb(upload_pid, "VmHWM")
    print(f"{uploads} clients uploading at once for {seconds} s: {flights.done} uploads, {flights.most} open at the most")
    print(f"  mr-upload    {peak:6.1f} MB at the most")
    bound(f"mr-upload with {flights.most} uploads in flight under {BUSY_MAX_MB} MB", peak < BUSY_MAX_MB)
    for program in PROGRAMS[1:]:
        print(f"  {program:12} {memory_mb(pid_of(program), 'VmHWM'):6.1f} MB at the most")
    end()


main()
