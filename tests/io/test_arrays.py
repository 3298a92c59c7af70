"""Arrays of files that nobody vouches for: one sentence for each kind of damage, and bounded memory."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from isthmus.io import read_table, unpacking


def npy(header, body=bytes(96), version=1):
    """Return a file with any header."""
    text = header.encode("latin1")
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + len(text).to_bytes(2 if version == 1 else 4, "little")
        + text
        + body
    )


@pytest.fixture
def write(tmp_path):
    def write(content, name="t.npy"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    "header",
    [
        "{'shape': (4, 3), 'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4L, 3L), }      \n",
        "{ 'descr' : '<f8' , 'fortran_order' :False,\n'shape':( 4,3 , ) , }",
        '{"descr": "<f8", "fortran_order": False, "shape": (4, 3)}',
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_of_all_writers_are_read(write, header, version):
    rows = np.arange(12.0).reshape(4, 3)
    read = read_table(write(npy(header, rows.tobytes(), version))).rows
    np.testing.assert_array_equal(read, rows)


GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{}",
        "[]",
        GOOD[:-1],
        GOOD + "}",
        GOOD.replace(", }", ", 'more': 1}"),
        GOOD.replace("False", "0"),
        GOOD.replace("(4, 3)", "(4 3)"),
        GOOD.replace("(4, 3)", "[4, 3]"),
        GOOD.replace("(4, 3)", "(4.0, 3)"),
        GOOD.replace("(4, 3)", f"({'9' * 5000}, 3)"),
        GOOD.replace("(4, 3)", "(" * 5000),
        GOOD.replace("'<f8'", "__import__('os').getpid()"),
        GOOD.replace("'<f8'", "'\\d'"),  # of which Python would warn
        GOOD.replace("'shape': (4, 3), ", ""),
        "L" + GOOD.replace("}", "(L"),
        "{'a': " * 1500,
        "-" * 9000,
        GOOD + " " * 20_000,
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_damaged_headers_are_one_sentence(write, header, version, fails):
    fails("t.npy ", read_table, write(npy(header, version=version)))


@pytest.mark.parametrize(
    ("dtype", "shown"),
    [
        ("'|O'", "object"),
        ("'<c16'", "complex128"),
        ("'<M8[ns]'", "'<M8[ns]'"),
        ("'<f99999999'", "'<f99999999'"),
        ("'f8,f8'", "'f8,f8'"),
        ("[('a', '<f8'), ('b', '<f8')]", "\"[('a', '<f8'), ('b', '<f8')]\""),
    ],
)
def test_other_values_are_named(write, dtype, shown, fails):
    content = npy(GOOD.replace("'<f8'", dtype))
    fails(f"t.npy has dtype {shown}, which is no plain number.", read_table, write(content))


def test_longer_floats_become_plain_ones(write):
    file = io.BytesIO()
    np.save(file, np.array([[1, 2], [3, np.finfo(np.longdouble).max]], np.longdouble))
    content = file.getvalue()
    read = read_table(write(content)).rows
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, [[1, 2], [3, np.inf]])
    none = content[:-64] + b"\xff" * 7 + b"\x00" + content[-56:]  # no number in 80 bits
    assert read_table(write(none)).rows.shape == (2, 2)


def archive(size, method=zipfile.ZIP_DEFLATED):
    """Return an archive of one array of zeros, of so many rows of 1,024 bytes."""
    file = io.BytesIO()
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size}, 1024), }}"
    with zipfile.ZipFile(file, "w", method) as packed:
        packed.writestr("x.npy", npy(header, bytes(1024 * size)))
    return file.getvalue()


def test_a_packed_array_is_held_once(write):
    path = write(archive(2**15), "t.npz")  # 32 MiB
    tracemalloc.start()
    assert read_table(path).rows.shape == (2**15, 1024)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1.5 * 2**25


def test_a_bomb_is_refused_whatever_it_declares(write, monkeypatch, fails):
    monkeypatch.setattr(unpacking, "MOST_UNPACKED", 2**18)
    content = bytearray(archive(2**10))  # 1 MiB of about 1 kB
    fails("t.npz: the array 'x.npy' would unpack from 1,", read_table, write(content, "t.npz"))
    at = content.index(b"PK\x01\x02") + 20  # the packed size, in the archive's directory
    content[at : at + 4] = (2**31).to_bytes(4, "little")
    match = f"would unpack from {len(content):,} to 1,048,"
    fails(match, read_table, write(content, "t.npz"))
    assert read_table(write(archive(2**7), "t.npz")).rows.shape == (2**7, 1024)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_refused(write, method, fails):
    match = f"is packed by a method that NumPy does not write ({method}): save it by"
    fails(match, read_table, write(archive(4, method), "t.npz"))


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        (8, b"\x01"),  # a password is asked for
        (9, b"\x08"),  # the name is said to be UTF-8
        (42, b"\xff\xff\xff\x7f"),  # the array is said to lie behind the end
        (16, b"\x00"),  # another check sum
    ],
)
def test_a_damaged_archive_is_one_sentence(write, entry, content, fails):
    packed = bytearray(archive(4))
    at = packed.index(b"PK\x01\x02")  # the directory, where the name lies 46 bytes on
    packed[at + 46] = 0xFF if entry == 9 else packed[at + 46]
    packed[at + entry : at + entry + len(content)] = content
    match = "t.npz is no .npz file, or is damaged: "
    fails(match, read_table, write(packed, "t.npz"))


def test_many_names_are_not_all_listed(write, fails):
    file = io.BytesIO()
    np.savez(file, **{f"a{i}": np.eye(2) for i in range(30)})
    fails(
        "has 30 arrays; choose one with --key: a0, a1,", read_table, write(file.getvalue(), "t.npz")
    )
    fails("a19 and 10 more.", read_table, write(file.getvalue(), "t.npz"))


def test_names_that_a_terminal_would_obey_are_shown(write, fails):
    file = io.BytesIO()
    np.savez(file, **{"\x1b[2J": np.eye(2), "é": np.eye(2)})
    match = r"has 2 arrays; choose one with --key: '\x1b[2J', é."
    fails(match, read_table, write(file.getvalue(), "t.npz"))
