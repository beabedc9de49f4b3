import pickle
import struct
import sys
import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from mano_files import Call, Named, ch, dumps, random_model, released, select, sparse, write_mano

from hoibench.datasets.taco.hand.mano_file import convert, find_mano, read_mano
from hoibench.store import write_npz

MEMBERS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "hands_mean")
SIDES = ["left", "right"]


@pytest.fixture(scope="module")
def model():
    return random_model("right")


@pytest.fixture(scope="module")
def whole(model):
    return dumps(released(model))


def write(folder, members, name="MANO_RIGHT.pkl"):
    path = folder / name
    path.write_bytes(members if isinstance(members, bytes) else dumps(members))
    return path


def assert_is(read, model):
    for name in MEMBERS:
        np.testing.assert_array_equal(getattr(read, name), model[name])
        assert getattr(read, name).dtype == np.float64
    np.testing.assert_array_equal(read.faces, model["f"])
    np.testing.assert_array_equal(read.parents, [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_a_released_pickle_is_read(tmp_path, side, protocol):
    read = read_mano(write_mano(tmp_path, side, protocol=protocol), side)
    assert read.side == side
    assert_is(read, random_model(side))


def test_pickles_written_by_the_test_are_read_by_numpy_and_scipy(model):
    """The test's own pickler against those libraries: what it writes of arrays and matrices is theirs."""
    names = ("v_template", "kintree_table")
    back = pickle.loads(dumps({name: model[name] for name in names}), encoding="latin1")
    for name in names:
        np.testing.assert_array_equal(back[name], model[name])
    matrix = pickle.loads(dumps(sparse(model["J_regressor"], "scipy.sparse._csc")), encoding="latin1")
    np.testing.assert_array_equal(matrix.toarray(), model["J_regressor"])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["csc", "csr", "coo"])
def test_pickles_rewritten_by_users_are_read(tmp_path, model, kind, protocol):
    """Without chumpy, by today's Python, numpy and scipy."""
    members = {**model, "J_regressor": getattr(scipy.sparse, f"{kind}_matrix")(model["J_regressor"])}
    assert_is(read_mano(write(tmp_path, pickle.dumps(members, protocol))), model)


@pytest.mark.parametrize("module", ["scipy.sparse.csc", "scipy.sparse._csc", "scipy.sparse"])
@pytest.mark.parametrize("shape_name", ["shape", "_shape"])
def test_matrices_are_read_under_every_name_that_scipy_gave_them(tmp_path, model, module, shape_name):
    members = {**model, "J_regressor": sparse(model["J_regressor"], module, shape_name=shape_name)}
    assert_is(read_mano(write(tmp_path, members)), model)


@pytest.mark.parametrize(
    "term",
    [
        ch,
        select,
        lambda array: Named("chumpy.reordering.Reshape", {"a": ch(array.ravel()), "newshape": array.shape}),
        lambda array: Named("chumpy.reordering.transpose", {"a": ch(array.T), "axes": None}),
        np.asfortranarray,
        lambda array: array.astype(">f8"),
    ],
    ids=["Ch", "Select", "Reshape", "transpose", "fortran", "big-endian"],
)
def test_every_form_of_an_array_gives_its_numbers(tmp_path, model, term):
    assert_is(read_mano(write(tmp_path, {**released(model), "shapedirs": term(model["shapedirs"])})), model)


@pytest.mark.parametrize("side", SIDES)
def test_a_converted_file_is_the_same_model(tmp_path, side):
    source = write_mano(tmp_path, side)
    convert(source, tmp_path / f"MANO_{side.upper()}.npz")
    assert find_mano(tmp_path, side).suffix == ".npz"
    read = read_mano(find_mano(tmp_path, side), side)
    assert read.side == side
    assert_is(read, random_model(side))


def test_a_folder_without_files_names_what_to_download(tmp_path):
    write_mano(tmp_path, "left")
    assert find_mano(tmp_path, "left").name == "MANO_LEFT.pkl"
    (tmp_path / "zip" / "models").mkdir(parents=True)
    inner = write_mano(tmp_path / "zip" / "models", "left")
    assert find_mano(tmp_path / "zip", "left") == inner
    with pytest.raises(FileNotFoundError, match=r"MANO_RIGHT\.npz nor MANO_RIGHT\.pkl: download MANO"):
        find_mano(tmp_path, "right")
    with pytest.raises(FileNotFoundError):
        read_mano(tmp_path / "MANO_RIGHT.pkl")


@pytest.mark.parametrize("side", SIDES)
def test_the_other_hands_file_is_named(tmp_path, side):
    other = SIDES[1 - SIDES.index(side)]
    path = write_mano(tmp_path, side).rename(tmp_path / f"MANO_{other.upper()}.pkl")
    with pytest.raises(ValueError, match=rf"MANO_{other.upper()}\.pkl is MANO's {side} hand, expected the {other}"):
        read_mano(path, other)
    assert read_mano(path).side == side


@pytest.mark.parametrize(
    ("vertices", "name"), [(6890, "SMPL or SMPL\\+H"), (10475, "SMPL-X"), (5023, "FLAME"), (99, "another model")]
)
@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
def test_another_model_is_named(tmp_path, vertices, name, suffix):
    path = tmp_path / f"MANO_RIGHT{suffix}"
    if suffix == ".npz":
        write_npz(path, {"v_template": np.zeros((vertices, 3))})
    else:
        write(tmp_path, {"v_template": ch(np.zeros((vertices, 3))), "J_regressor": sparse(np.eye(3))})
    with pytest.raises(
        ValueError, match=rf"MANO_RIGHT\{suffix} is {name} \(its vertices have shape \({vertices}, 3\)\)"
    ):
        read_mano(path)


def broken(name, place, value):
    def change(model):
        array = model[name].copy()
        array[place] = value
        return {**model, name: array}

    return change


def objects():
    """An array of anything, as numpy pickles it."""
    state = (1, (1,), Call("numpy.dtype", "O8", 0, 1), False, [None])
    return Named("numpy.ndarray", state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: {**m, "shapedirs": m["shapedirs"][:, :, :9]}, r"shapedirs has shape \(778, 3, 9\)"),
        (lambda m: {k: v for k, v in m.items() if k != "posedirs"}, "has no posedirs"),
        (broken("weights", (5, 0), 9.0), "weights of vertex 5 sum to"),
        (broken("posedirs", (0, 0, 0), np.nan), "posedirs has non-numeric or non-finite values"),
        (broken("f", (0, 0), 778), "f has vertices 0 to 778"),
        (broken("kintree_table", (0, 4), 3), "kintree_table has parents"),
        (lambda m: {**m, "hands_mean": Named("chumpy.ch.add", {})}, r"hands_mean: a member is a chumpy\.ch\.add"),
        (lambda m: {**m, "hands_mean": "45 numbers"}, "hands_mean: a member is a str"),
        (lambda m: {**m, "v_template": objects()}, "v_template: an array is of type 'O8'"),
    ],
)
def test_an_invalid_model_is_named(tmp_path, model, change, message):
    with pytest.raises(ValueError, match=rf"MANO_RIGHT\.pkl.*{message}"):
        read_mano(write(tmp_path, dumps(change(model))))


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
def test_inward_faces_are_flipped(tmp_path, model, suffix):
    inwards = {**model, "f": model["f"][:, ::-1]}
    path = tmp_path / f"MANO_RIGHT{suffix}"
    if suffix == ".npz":
        write_npz(path, inwards)
    else:
        write(tmp_path, inwards)
    np.testing.assert_array_equal(read_mano(path).faces, model["f"])


FORBIDDEN = [
    "os.system", "posix.system", "nt.system", "subprocess.Popen", "builtins.eval", "__builtin__.eval", "builtins.getattr",
    "numpy.load", "numpy.core.multiarray.fromfile", "numpy.f2py.compile", "scipy.sparse.load_npz", "scipy.sparse._csc.isspmatrix_csc",
    "scipy.io.loadmat", "torch.hub.load", "torch.load", "torch._utils._rebuild_tensor_v2", "chumpyx.Ch", "importlib.import_module",
]  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_name_is_an_error(tmp_path, model, name):
    path = write(tmp_path, {**released(model), "bs_type": Call(name, str(tmp_path / "ran"))})
    with pytest.raises(ValueError, match=rf"MANO_RIGHT\.pkl .*names {name}, which is not allowed"):
        read_mano(path)
    assert list(tmp_path.iterdir()) == [path]


def test_chumpy_is_never_imported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "chumpy", None)
    read_mano(write_mano(tmp_path, "right"))
    assert "chumpy.ch" not in sys.modules


LOOP = b"\x80\x02}U\x09shapedirscchumpy.reordering\nSelect\n)\x81q\x01}(U\x01ah\x01U\x04idxsK\x00ubs."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (LOOP, "shapedirs: maximum recursion depth exceeded"),
        (b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b".", "has no v_template"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".", r"is not a complete pickle of a hand model \(EOFError\)"),
        (b"\x80\x02B" + struct.pack("<I", 2**31) + b".", "is not a complete pickle"),
        (dumps([1]), "is not a dict"),
        (dumps({"J_regressor": sparse(np.eye(3)), "f": Named("numpy.ndarray", {})}), "f: "),
        (dumps({"weights": Named("scipy.sparse.csc_matrix", {"_shape": (10**6, 10**6)})}), "1000000 x 1000000"),
        (b"", "is not a complete pickle"),
    ],
)
def test_a_hostile_pickle_costs_neither_memory_nor_a_crash(tmp_path, data, message):
    with pytest.raises(ValueError, match=rf"MANO_RIGHT\.pkl.*{message}"):
        read_mano(write(tmp_path, data))


def shared_out(indptr, indices, data, shape=(3, 3)):
    """A sparse matrix with any members."""
    state = {"_shape": shape, "indptr": indptr, "indices": indices, "data": data}
    return Named("scipy.sparse.csc_matrix", state)


ONES = np.ones(3)
AT = np.arange(3)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (shared_out(np.array([0, 10**8, 2 * 10**8, 3]), AT, ONES), "invalid starts of its 3 lines"),
        (shared_out(np.array([0, 1, 2, 10**8]), AT, ONES), "invalid starts"),
        (shared_out(np.array([0, 2, 1, 3]), AT, ONES), "invalid starts"),
        (shared_out(np.array([1, 1, 2, 3]), AT, ONES), "invalid starts"),
        (shared_out(np.array([0, 1, 3]), AT, ONES), "invalid starts"),
        (shared_out(np.array([0, 1, 2, 2**64 - 1], np.uint64), AT, ONES), "invalid starts"),
        (shared_out(np.array([0.0, 1.0, 2.0, 3.0]), AT, ONES), "invalid indices"),
        (shared_out(np.array([0, 1, 2, 3]), -AT, ONES), "invalid indices"),
        (shared_out(np.array([0, 1, 2, 3]), AT, np.ones(4)), "has 4 numbers in 3 rows and 3 columns"),
        (shared_out(np.array([0, 1, 2, 3]), AT + 1, ONES), "out of bounds"),
        (shared_out(np.array([0, 1, 2, 3]), AT, ONES, (1 << 11, 1 << 10)), "a sparse matrix is 2048 x 1024"),
        (shared_out(np.array([0, 1, 2, 3]), AT, ONES, (-3, -3)), "a sparse matrix is -3 x -3"),
    ],
)
def test_a_sparse_matrix_whose_members_disagree_costs_no_memory(tmp_path, matrix, message):
    path = write(tmp_path, dumps({"J_regressor": matrix}))
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"MANO_RIGHT\.pkl: J_regressor: .*{message}"):
        read_mano(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


TREE = b")" + b"2\x86" * 70
"""Opcodes of a tuple that has 2^70 leaves when it is written out, or hashed."""


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "data",
    [
        b"ccopy_reg\n_reconstructor\n" + TREE + b"NN\x87R",
        b"}U\x01fcnumpy.core.numeric\n_frombuffer\n(U\x01a" + TREE + b"K\x01U\x01CtRs",
        b"}U\x01fcnumpy.core.numeric\n_frombuffer\n(U\x01acnumpy\ndtype\n" + TREE + b"\x85RK\x01U\x01CtRs",
    ],
    ids=["class", "type", "dtype"],
)
def test_a_few_bytes_cause_no_long_computation_or_message(tmp_path, data):
    with pytest.raises(ValueError, match=r"MANO_RIGHT\.pkl") as caught:
        read_mano(write(tmp_path, b"\x80\x02" + data + b"."))
    assert len(str(caught.value)) < 1000


def test_terms_nested_in_two_arguments_are_not_evaluated(tmp_path, model):
    term = ch(np.zeros(1))
    for _ in range(60):
        term = Named("chumpy.reordering.Select", {"a": term, "idxs": term})
    with pytest.raises(ValueError, match=r"shapedirs: a member is a chumpy\.ch\.Ch, which is not supported"):
        read_mano(write(tmp_path, {**model, "shapedirs": term}))


def test_a_file_over_the_limit_is_not_read(tmp_path):
    path = tmp_path / "MANO_RIGHT.pkl"
    with path.open("wb") as stream:
        stream.truncate((1 << 28) + 1)
    with pytest.raises(ValueError, match="268435457 bytes, expected at most 268435456"):
        read_mano(path)


def test_a_file_truncated_anywhere_is_an_error(tmp_path, whole):
    cuts = [*range(0, 400, 9), *range(400, len(whole), len(whole) // 60), *range(len(whole) - 60, len(whole), 7)]
    for length in cuts:
        with pytest.raises(ValueError, match=r"MANO_RIGHT\.pkl"):
            read_mano(write(tmp_path, whole[:length]))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_with_wrong_bytes_is_read_or_an_error(tmp_path_factory, data):
    """Only the bytes outside the numbers tell the reader what to do."""
    whole = bytearray(
        dumps({"f": select(np.zeros((2, 1, 1)), 2), "J_regressor": sparse(np.eye(2)), "weights": np.ones(2)})
    )
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("m") / "MANO_RIGHT.pkl"
    path.write_bytes(bytes(whole))
    with pytest.raises(ValueError, match=r"MANO_RIGHT\.pkl"):
        read_mano(path)
