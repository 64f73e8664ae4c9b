"""The stream of blocks: same bytes whatever happens to the file, the disk, the order or the one who reads."""

from __future__ import annotations

import errno
import gc
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from local_models.errors import GenerationFailed, ModelDamaged
from local_models.streaming.direct_reading import PAGE, WeightsFile, room_for
from local_models.streaming.read_ahead import Block
from local_models.streaming.row_blocks import spread
from local_models.streaming.thread_tuning import Pace
from local_models.streaming.weight_stream import WeightStream, measure_bandwidth

N = 24  # blocks
SIZE = 10_000  # bytes each: not whole pages


@pytest.fixture
def content() -> bytes:
    return random.Random(1).randbytes(77 + N * SIZE)


@pytest.fixture
def path(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(content)
    return path


def streamed(path: Path, *, buffers: int = 3, poison: bool = True) -> WeightStream:
    file = WeightsFile(path)
    blocks = [Block(file, 77 + i * SIZE, SIZE) for i in range(N)]
    return WeightStream(blocks, ring_bytes=buffers * SIZE, poison=poison)


def block(content: bytes, index: int) -> bytes:
    return content[77 + index * SIZE : 77 + (index + 1) * SIZE]


def held(stream: WeightStream, index: int) -> bytes:
    with stream.hold(index) as memory:
        return bytes(memory)


def assert_whole_pass(stream: WeightStream, content: bytes) -> None:
    assert all(held(stream, index) == block(content, index) for index in range(N))


@pytest.mark.parametrize("buffers", [1, 2, 3, N + 5])
def test_passes_in_order_give_the_bytes_of_the_file(path: Path, content: bytes, buffers: int) -> None:
    stream = streamed(path, buffers=buffers)
    for _pass in range(3):
        assert_whole_pass(stream, content)
    assert stream.stats().restarts == 0
    assert stream.stats().bytes_used == 3 * N * SIZE


def test_any_order_gives_the_bytes_of_the_file(path: Path, content: bytes) -> None:
    stream = streamed(path)
    for index in random.Random(2).choices(range(N), k=300):
        assert held(stream, index) == block(content, index)
    assert stream.stats().restarts > 200


def test_a_block_is_not_read_twice_while_the_order_holds(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(16 * 2**20 + 100))
    file = WeightsFile(path)
    stream = WeightStream([Block(file, 100 + i * 2**20, 2**20) for i in range(16)], ring_bytes=2**21)
    for index in [*range(16)] * 8:
        held(stream, index)
    assert stream.stats().amplification <= 1.01 + 2 / (16 * 8)  # two blocks are read ahead at the end


def test_what_is_kept_of_a_released_buffer_is_poisoned(path: Path) -> None:
    stream = streamed(path)
    with stream.hold(0) as kept:
        stream.close()  # or the readers fill it again at once
    assert bytes(kept) == b"\xff" * SIZE


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("index", range(N))
def test_whatever_ends_the_work_on_a_block_the_next_pass_is_whole(
    path: Path, content: bytes, index: int, error: type[BaseException]
) -> None:
    stream = streamed(path, buffers=2)
    for _time in range(4):  # more often than there are buffers
        for before in range(index):
            held(stream, before)
        with pytest.raises(error), stream.hold(index):
            raise error
    assert_whole_pass(stream, content)


@pytest.fixture
def alarm() -> Iterator[None]:
    """Interrupts as Ctrl-C makes them, at any line."""

    def ring(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_real_interrupts_at_any_line_leave_the_stream_usable(path: Path, content: bytes) -> None:
    stream, moments, interrupted = streamed(path, buffers=2), random.Random(3), 0
    for _time in range(150):
        try:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.0001, 0.004))
            while True:
                stream.in_a_pass(lambda: assert_whole_pass(stream, content))
        except KeyboardInterrupt:
            interrupted += 1
    assert interrupted == 150
    assert_whole_pass(stream, content)
    assert_another_thread_can(stream, content)


def assert_another_thread_can(stream: WeightStream, content: bytes) -> None:
    done = []
    thread = threading.Thread(
        target=lambda: stream.in_a_pass(lambda: done.append(assert_whole_pass(stream, content))), daemon=True
    )
    thread.start()
    thread.join(20)
    assert done


def test_threads_take_turns_by_the_pass(path: Path, content: bytes) -> None:
    stream, done = streamed(path), []

    def passes() -> None:
        for _pass in range(10):
            stream.in_a_pass(lambda: assert_whole_pass(stream, content))
            done.append(1)

    threads = [threading.Thread(target=passes) for _n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 40
    stats = stream.stats()
    assert (stats.passes, stats.restarts) == (40, 0)
    assert stats.bandwidth == pytest.approx(stats.bytes_used / stats.seconds)
    assert stats.io_wait_s < stats.seconds


def test_a_read_that_fails_is_told_at_once_and_the_next_may_succeed(path: Path, content: bytes) -> None:
    stream = streamed(path)
    file = stream.blocks[0].file
    held(stream, 0)
    works, broken = os.dup(file._fd), os.open("/proc/self/mem", os.O_RDONLY)  # answers EIO where nothing is mapped
    os.dup2(broken, file._fd)
    with pytest.raises(GenerationFailed, match=rf"{path} cannot be read at byte .*Errno {errno.EIO}"):
        for index in range(1, N):
            held(stream, index)
    os.dup2(works, file._fd)
    assert_whole_pass(stream, content)
    os.close(works)
    os.close(broken)


def test_a_file_cut_under_way_is_damaged_and_named(path: Path) -> None:
    stream = streamed(path)
    held(stream, 0)
    os.truncate(path, 77 + 10 * SIZE)
    with pytest.raises(ModelDamaged, match=f"{path} ends at byte {77 + 10 * SIZE}") as caught:
        for index in range(1, N):
            held(stream, index)
    assert caught.value.path == str(path)


def test_a_file_replaced_while_open_stays_the_one_that_was_opened(path: Path, content: bytes, tmp_path: Path) -> None:
    stream = streamed(path)
    (tmp_path / "other").write_bytes(bytes(len(content)))
    (tmp_path / "other").replace(path)
    stream.in_a_pass(lambda: assert_whole_pass(stream, content))
    path.unlink()
    stream.in_a_pass(lambda: assert_whole_pass(stream, content))


def test_a_file_written_to_while_open_is_not_gone_on_with(path: Path, content: bytes) -> None:
    stream = streamed(path)
    stream.in_a_pass(lambda: assert_whole_pass(stream, content))
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelDamaged, match="was written to"):
        stream.in_a_pass(lambda: None)


def test_a_file_system_that_refuses_direct_reading_is_read_through_the_cache() -> None:
    path = Path("/proc/version")
    with pytest.raises(OSError):
        os.open(path, os.O_RDONLY | os.O_DIRECT)
    file, into = WeightsFile(path), memoryview(bytearray(room_for(10)))
    begin, _n = file.read(3, 10, into)
    assert not file.direct
    assert bytes(into[begin : begin + 10]) == path.read_bytes()[3:13]


def test_a_file_in_memory_is_read_like_one_on_a_disk(content: bytes) -> None:
    path = Path("/dev/shm") / f"qrag-test-{os.getpid()}"  # tmpfs
    path.write_bytes(content)
    try:
        assert_whole_pass(streamed(path), content)
    finally:
        path.unlink()


def test_direct_reading_that_opens_and_then_fails_goes_on_through_the_cache(path: Path, content: bytes) -> None:
    file = WeightsFile(path)
    if not file.direct:
        pytest.skip("root may mount a file system without O_DIRECT here")
    memory = memoryview(bytearray(2 * room_for(SIZE)))
    at = next(i for i in range(PAGE) if _address(memory[i:]) % 512 == 1)  # the kernel refuses such an address
    begin, _n = file.read(77, SIZE, memory[at:])
    assert bytes(memory[at + begin : at + begin + SIZE]) == block(content, 0)
    assert not file.direct


def test_threads_that_find_out_together_that_direct_reading_fails_all_go_on(path: Path, content: bytes) -> None:
    if not WeightsFile(path).direct:
        pytest.skip("root may mount a file system without O_DIRECT here")
    memories = [memoryview(bytearray(2 * room_for(SIZE))) for _n in range(4)]
    odd = [m[next(i for i in range(PAGE) if _address(m[i:]) % 512 == 1) :] for m in memories]
    with ThreadPoolExecutor(len(odd)) as pool:
        for _round in range(100):
            file = WeightsFile(path)
            begins = list(pool.map(lambda into, file=file: file.read(77, SIZE, into)[0], odd))
            assert all(into[at : at + SIZE] == block(content, 0) for into, at in zip(odd, begins, strict=True))


def _address(memory: memoryview) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def test_the_end_of_a_file_is_read_though_no_page_ends_there(tmp_path: Path) -> None:
    for size in (1, 511, 512, 4095, 4096, 4097, 12_289):
        path = tmp_path / str(size)
        path.write_bytes(os.urandom(size))
        stream = WeightStream([Block(WeightsFile(path), size - 1, 1)], ring_bytes=1)
        assert held(stream, 0) == path.read_bytes()[-1:]


def test_a_fork_of_the_process_is_told_to_load_its_own(path: Path) -> None:
    stream = streamed(path)
    held(stream, 0)
    child = os.fork()
    if child == 0:
        try:
            held(stream, 1)
        except GenerationFailed as error:
            os._exit(7 if "fork" in error.message else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert held(stream, 1)


def test_a_stream_that_is_dropped_ends_its_threads_and_closes_its_file(path: Path) -> None:
    stream = streamed(path)
    held(stream, 0)
    fd, readers = stream.blocks[0].file._fd, [thread for thread, _bell in stream._ring.readers]
    del stream
    gc.collect()
    for reader in readers:
        reader.join(20)
    gc.collect()
    assert not any(reader.is_alive() for reader in readers)
    with pytest.raises(OSError):
        os.fstat(fd)


def test_a_closed_stream_says_so(path: Path) -> None:
    stream = streamed(path)
    stream.close()
    with pytest.raises(GenerationFailed, match="closed"):
        held(stream, 0)


def test_a_stream_that_is_closed_while_a_thread_waits_for_its_block_lets_it_go(path: Path) -> None:
    answers = threading.Event()

    class Stuck(WeightsFile):
        def read(self, offset: int, n_bytes: int, into: memoryview) -> tuple[int, int]:
            answers.wait()
            return super().read(offset, n_bytes, into)

    stream = WeightStream([Block(Stuck(path), 0, SIZE)])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(held, stream, 0)
        try:
            while not stream._ring.readers:
                time.sleep(0.01)
            stream.close()
            with pytest.raises(GenerationFailed, match="closed"):
                waiting.result(20)
        finally:
            answers.set()


def test_the_bandwidth_of_a_file_or_folder_is_measured(path: Path) -> None:
    assert measure_bandwidth(path, 0.05) > 1e5
    path.write_bytes(b"")
    with pytest.raises(ModelDamaged, match="no byte"):
        measure_bandwidth(path, 0.05)


def test_one_thread_computes_while_the_disk_is_slower_than_it(path: Path) -> None:
    pace = Pace(streamed(path))
    for _pass in range(3):
        pace.judge(lasted=1.0, waited=0.5)
    assert pace.alone


@pytest.mark.parametrize(("with_all", "alone"), [(0.6, False), (1.2, True)])
def test_all_threads_are_tried_once_where_one_is_the_bottleneck(path: Path, with_all: float, alone: bool) -> None:
    pace = Pace(streamed(path))
    pace.judge(lasted=1.0, waited=0.0)
    assert not pace.alone
    for _pass in range(3):
        pace.judge(lasted=with_all, waited=0.0)
    assert pace.alone == alone


def test_the_threads_of_the_process_are_as_before_whatever_ends_a_pass(path: Path) -> None:
    before, seen, pace = torch.get_num_threads(), [], Pace(streamed(path))
    torch.set_num_threads(3)
    try:
        pace.run(lambda: seen.append(torch.get_num_threads()), n_tokens=1)
        pace.run(lambda: seen.append(torch.get_num_threads()), n_tokens=17)
        with pytest.raises(ZeroDivisionError):
            pace.run(lambda: 1 // 0, n_tokens=1)
        assert (seen, torch.get_num_threads()) == ([1, 3], 3)
    finally:
        torch.set_num_threads(before)


def test_residents_are_spread_evenly_and_keep_to_their_budget() -> None:
    sizes = [random.Random(4).randint(50, 100) for _n in range(1000)]
    for share in (0.0, 0.1, 0.5, 0.93):
        budget = int(sum(sizes) * share)
        kept = [size * keep for size, keep in zip(sizes, spread(sizes, budget), strict=True)]
        assert budget - 200 <= sum(kept) <= budget
        for quarter in range(0, 1000, 250):
            assert abs(sum(kept[quarter : quarter + 250]) - budget / 4) < 0.03 * sum(sizes) / 4 + 200
    assert all(spread(sizes, sum(sizes)))
