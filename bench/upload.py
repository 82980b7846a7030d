"""See bench/upload. Times of `mr` are those of the whole process, start and end included; boto3 is imported, connected
and warm before its clock starts."""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import threading
import time

from boto3.s3.transfer import TransferConfig
from client_side import ENV, MR, RUN_DIR, Account, Client, bound, end, p99_ms, percentiles, run, s3

MIB = 1 << 20
PARALLEL = 4
IMPORTS = "import boto3, botocore.config, concurrent.futures as f, os; from boto3.s3.transfer import TransferConfig"
RATIO_MIN, READABLE_P99_MAX_MS = 0.9, 50


def as_command(code: str) -> str:
    """The peer as one can run it by hand; the stack's settings come from its env file, so that no secret is shown."""
    client = (
        'boto3.client("s3", endpoint_url=e["MR_S3_ENDPOINT"], aws_access_key_id=e["MR_S3_ACCESS_KEY"], '
        'aws_secret_access_key=e["MR_S3_SECRET_KEY"], region_name="us-east-1", '
        'config=botocore.config.Config(s3={"addressing_style": "path"}, max_pool_connections=32))'
    )
    env = f'e = dict(l.strip().split("=", 1) for l in open("{RUN_DIR}/env"))'
    return f"{sys.executable} -c '{IMPORTS}; {env}; s3 = {client}; {code}'"


def random_file(path: pathlib.Path, size: int) -> None:
    with open(path, "wb") as f:
        while size > 0:
            size -= f.write(os.urandom(min(size, 16 * MIB)))


def timed(what) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def boto3_checksums(store) -> dict:
    """The integrity headers that boto3 sends by itself, as its next part request shows them."""
    seen = {}

    def look(request, **_):
        names = ("checksum", "content-sha256", "content-md5")
        seen.update({k: "..." if len(v) > 24 else v.decode() for k, v in request.headers.items() if any(n in k.lower() for n in names)})

    store.meta.events.register_first("before-send.s3.UploadPart", look)
    return seen


def large(account, folder, rounds, scale) -> None:
    size = int(1024 * MIB * scale)
    local = folder / "large.bin"
    random_file(local, size)
    store, bucket, key = s3(), ENV["MR_S3_BUCKET"], f"bench/{account.user_id}"
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=PARALLEL)
    command = [MR, "upload", "-q", "-j", str(PARALLEL), str(local), "/large.bin"]
    env = account.mr_environment(folder)
    sums = boto3_checksums(store)

    def peer():
        store.upload_file(str(local), bucket, key, Config=config)

    print(f"{size / MIB:.0f} MiB in parts of 8 MiB, {PARALLEL} at once")
    print(f"  mr:    {' '.join(command)}")
    call = f's3.upload_file("{local}", "{bucket}", "{key}", Config=TransferConfig(multipart_threshold={8 * MIB}, '
    print("  boto3: " + as_command(f"{call}multipart_chunksize={8 * MIB}, max_concurrency={PARALLEL}))"))
    run(command, env)
    peer()
    mr_times, peer_times = [], []
    for i in range(rounds):
        pair = [(mr_times, lambda: run(command, env)), (peer_times, peer)]
        for times, what in pair if i % 2 == 0 else reversed(pair):
            times.append(timed(what))
        print(f"  round {i + 1}: mr {size / MIB / mr_times[-1]:.0f} MiB/s, boto3 {size / MIB / peer_times[-1]:.0f} MiB/s")
    print(f"  boto3's own checksums: {sums}; mr: SHA-256 of each part, signed into its URL")
    ratios = [p / m for m, p in zip(mr_times, peer_times)]
    ratio = statistics.median(peer_times) / statistics.median(mr_times)
    print(
        f"  median: mr {size / MIB / statistics.median(mr_times):.0f} MiB/s, boto3 {size / MIB / statistics.median(peer_times):.0f} MiB/s,"
        f" ratio {ratio:.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})"
    )
    bound(f"at least {RATIO_MIN}x of boto3", ratio >= RATIO_MIN)
    store.delete_object(Bucket=bucket, Key=key)


def small(account, folder, rounds, scale) -> None:
    count, size = int(2000 * scale), 10 << 10
    source = folder / "small"
    source.mkdir()
    for i in range(count):
        (source / f"{i:05}.bin").write_bytes(os.urandom(size))
    threads = 4 * PARALLEL
    store, bucket, prefix = s3(threads), ENV["MR_S3_BUCKET"], f"bench/{account.user_id}"
    env = account.mr_environment(folder)
    names = sorted(p.name for p in source.iterdir())

    def put(name):
        store.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=(source / name).read_bytes())

    def peer():
        with concurrent.futures.ThreadPoolExecutor(threads) as executor:
            list(executor.map(put, names))

    print(f"{count} files of 10 KiB, {threads} at once")
    print(f"  mr:    {MR} upload -q -r {source} /small-N      (waits until each one's metadata can be read)")
    put_one = f'lambda n: s3.put_object(Bucket="{bucket}", Key="{prefix}/" + n, Body=open("{source}/" + n, "rb").read())'
    print(f'  boto3: {as_command(f"""list(f.ThreadPoolExecutor({threads}).map({put_one}, os.listdir("{source}")))""")}')
    print("         for scale: objects only, no parts, no session, no event, no metadata")
    put(names[0])
    mr_times, peer_times = [], []
    for i in range(max(1, rounds // 2)):
        mr_times.append(timed(lambda: run([MR, "upload", "-q", "-r", str(source), f"/small-{i}"], env)))
        peer_times.append(timed(peer))
        print(f"  round {i + 1}: mr {count / mr_times[-1]:.0f} files/s, boto3 {count / peer_times[-1]:.0f} objects/s")
    print(f"  median: mr {count / statistics.median(mr_times):.0f} files/s, boto3 {count / statistics.median(peer_times):.0f} objects/s")
    for i in range(0, count, 1000):
        keys = [{"Key": f"{prefix}/{name}"} for name in names[i : i + 1000]]
        store.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})


def latency(account, folder, rounds, scale) -> None:
    """Uploads at a fixed rate, each begun at its time whether or not the ones before are done (open loop). Complete is
    asked twice, as the protocol allows: without waiting, and then until the metadata can be read."""
    rate, seconds = 50, max(2, int(20 * scale))
    client = Client(account)
    from_answer, from_request, lag, lock = [], [], [], threading.Lock()

    def upload(number, due):
        data = os.urandom(10 << 10)
        began = time.perf_counter()
        session = client.initiate(f"/latency/{number}", data)
        client.put(session, data)
        sent = time.perf_counter()
        client.complete(session, wait=False)
        answered = time.perf_counter()
        status = client.complete(session, wait=True)
        readable = time.perf_counter()
        assert status == 200
        with lock:
            lag.append(began - due)
            from_answer.append(readable - answered)
            from_request.append(readable - sent)

    print(f"{rate} uploads/s of 10 KiB for {seconds} s")
    with concurrent.futures.ThreadPoolExecutor(64) as executor:
        list(executor.map(lambda n: upload(f"warm-{n}", time.perf_counter()), range(64)))
        for list_ in (lag, from_answer, from_request):
            list_.clear()
        start = time.perf_counter() + 0.5
        jobs = []
        for i in range(rate * seconds):
            due = start + i / rate
            time.sleep(max(0, due - time.perf_counter()))
            jobs.append(executor.submit(upload, i, due))
        for job in jobs:
            job.result()
    print(f"  complete answered -> metadata readable:  {percentiles(from_answer)}")
    print(f"  complete asked -> metadata readable:     {percentiles(from_request)}")
    print(f"  the generator was late by:               {percentiles(lag)}")
    bound(f"p99 of complete answered -> metadata readable under {READABLE_P99_MAX_MS} ms", p99_ms(from_answer) < READABLE_P99_MAX_MS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/upload")
    parser.add_argument("what", nargs="*", choices=[[], "large", "small", "latency"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mr-bench-"))
    account = Account()
    try:
        for what in (large, small, latency):
            if not options.what or what.__name__ in options.what:
                what(account, folder, options.rounds, options.scale)
    finally:
        account.forget()
        shutil.rmtree(folder)
    end()


main()
